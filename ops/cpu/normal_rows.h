// Layer norm of single rows, shared by the ops of a split layer norm and the fused ones. H is the logical extent.
#pragma once

#include <cmath>

#include "ops/cpu/rows.h"
#include "ops/cpu/vectors.h"

namespace ctrain::cpu {

// What makes a row normal: x̂ = (x - mean) rstd.
struct RowMoments {
  float mean, rstd;
};

// Σ dy γ and Σ dy γ x̂ of a row.
struct RowGradientSums {
  float scaled, scaled_normal;
};

struct NormalRows : Rows {
  NormalRows(const Rows& rows, double epsilon) : Rows(rows), epsilon_(epsilon) {}

  [[nodiscard]] float mean(float sum) const { return sum / static_cast<float>(extent); }
  [[nodiscard]] RowMoments moments(float sum, float squares) const {
    return {mean(sum), static_cast<float>(1 / std::sqrt(squares / static_cast<double>(extent) + epsilon_))};
  }

  [[nodiscard]] float sum(const float* x) const {
    Floats total{};
    for_vectors(valid, [&](std::int64_t j, auto part) { total += load(x + j, part); });
    return add_lanes(total);
  }
  // Of x + residual, which it stores.
  [[nodiscard]] float add_and_sum(const float* x, const float* residual, float* total) const {
    Floats sum{};
    for_vectors(valid, [&](std::int64_t j, auto part) {
      const Floats here = load(x + j, part) + load(residual + j, part);
      store(total + j, here, part);
      sum += here;
    });
    clear_padding(total);
    return add_lanes(sum);
  }
  [[nodiscard]] float squares(const float* x, float sum) const {
    const float center = mean(sum);
    Floats total{};
    for_vectors(valid, [&](std::int64_t j, auto part) {
      const Floats difference = keep(load(x + j, part) - center, part);
      total += difference * difference;
    });
    return add_lanes(total);
  }
  void apply(const float* x, RowMoments row, const float* weight, const float* bias, float* y) const {
    for_vectors(valid, [&](std::int64_t j, auto part) {
      const Floats normal = (load(x + j, part) - row.mean) * row.rstd;
      store(y + j, normal * load(weight + j, part) + load(bias + j, part), part);
    });
    clear_padding(y);
  }

  [[nodiscard]] RowGradientSums gradient_sums(const float* dy, const float* x, RowMoments row,
                                              const float* weight) const {
    Floats total{}, total_normal{};
    for_vectors(valid, [&](std::int64_t j, auto part) {
      const Floats scaled = load(dy + j, part) * load(weight + j, part);
      total += scaled;
      total_normal += scaled * ((load(x + j, part) - row.mean) * row.rstd);
    });
    return {add_lanes(total), add_lanes(total_normal)};
  }
  // With the residual's gradient, where there is one.
  void gradient(const float* dy, const float* x, RowMoments row, const float* weight, RowGradientSums sums, float* dx,
                const float* residual = nullptr) const {
    const float mean_scaled = mean(sums.scaled), mean_normal = mean(sums.scaled_normal);
    for_vectors(valid, [&](std::int64_t j, auto part) {
      const Floats normal = (load(x + j, part) - row.mean) * row.rstd;
      const Floats scaled = load(dy + j, part) * load(weight + j, part);
      const Floats own = (scaled - mean_scaled - normal * mean_normal) * row.rstd;
      store(dx + j, residual == nullptr ? own : load(residual + j, part) + own, part);
    });
    clear_padding(dx);
  }
  void add_weight_gradient(const float* dy, const float* x, RowMoments row, float* dweight) const {
    for_vectors(valid, [&](std::int64_t j, auto part) {
      const Floats normal = (load(x + j, part) - row.mean) * row.rstd;
      store(dweight + j, load(dweight + j, part) + load(dy + j, part) * normal, part);
    });
  }
  void add_bias_gradient(const float* dy, float* dbias) const {
    for_vectors(valid,
                [&](std::int64_t j, auto part) { store(dbias + j, load(dbias + j, part) + load(dy + j, part), part); });
  }

 private:
  void clear_padding(float* y) const {
    for (std::int64_t j = valid; j < width; ++j) y[j] = 0;
  }

  double epsilon_;
};

}  // namespace ctrain::cpu
