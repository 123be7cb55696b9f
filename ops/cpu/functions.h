// Vectorised transcendental functions. The coefficients are least-maximum fits made for these forms; the errors given
// are those of the fits and of fp32 rounding together, measured over the whole range.
#pragma once

#include <cmath>

#include "ops/cpu/vectors.h"

namespace ctrain::cpu {

// exp(x), relative error below 1e-7; 0 below -87, and above 88 as at 88.
inline Floats exp(Floats x) {
  // x = n log 2 + r, |r| <= log 2 / 2. Adding 1.5 2^23 rounds to an integer and leaves it in the low bits.
  const Floats clamped = x > 88.0F ? broadcast(88.0F) : x < -87.0F ? broadcast(-87.0F) : x;
  const Floats shifted = clamped * static_cast<float>(M_LOG2E) + 0x1.8p23F, n = shifted - 0x1.8p23F;
  const Floats r = (clamped - n * 0x1.62e4p-1F) - n * 0x1.7f7d1cp-20F;  // log 2 in two parts, n times the first exact
  Floats p = r * 0.001381469287F + 0.008368706471F;
  p = p * r + 0.04166838603F;
  p = p * r + 0.1666652072F;
  p = p * r + 0.4999999346F;
  p = p * (r * r) + r + 1.0F;
  const Integers scaled = reinterpret_cast<Integers>(p) + (reinterpret_cast<Integers>(shifted) << 23);
  return x < -87.0F ? Floats{} : reinterpret_cast<Floats>(scaled);
}

// The standard normal distribution at x: density φ and cumulative probability Φ. Absolute error of Φ below 3e-7, and of
// x Φ (gelu), relative where that is above one, below 2e-7. Φ(-|x|) = exp(-x²/2) times a polynomial without constant
// term in 1 / (1 + 0.3 |x|).
struct Normal {
  Floats density, cumulative;
};
inline Normal normal(Floats x) {
  const Floats magnitude = x < 0.0F ? -x : x;
  const Floats decay = exp(x * x * -0.5F);
  const Floats t = 1.0F / (magnitude * 0.3F + 1.0F);
  Floats p = t * -0.06565042344F + 0.1674676357F;
  p = p * t + 0.06325937936F;
  p = p * t + 0.07966028065F;
  p = p * t + 0.1390763869F;
  p = p * t + 0.1161866622F;
  const Floats tail = p * t * decay;
  return {decay * static_cast<float>(0.5 * M_2_SQRTPI * M_SQRT1_2), x < 0.0F ? tail : 1.0F - tail};
}

// tanh(x), absolute error below 2e-7.
inline Floats tanh(Floats x) {
  const Floats e = exp((x > 10.0F ? broadcast(10.0F) : x) * 2.0F);
  return (e - 1.0F) / (e + 1.0F);
}

}  // namespace ctrain::cpu
