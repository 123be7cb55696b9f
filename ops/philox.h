// Counter-based random numbers (Philox 4x32-10; Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
// A number is a pure function of (key, logical index): no rank, no order of calls and no mesh enters, so every layout
// draws the same masks, weights and augmentations.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace ctrain {

// One more word into a hash (splitmix64).
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash += word * 0x9e3779b97f4a7c15ULL + 0x9e3779b97f4a7c15ULL;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

// What is drawn: `purpose` names a parameter, an op or a transform; `step` is the optimizer step or the epoch.
constexpr std::uint64_t key_of_purpose(std::uint64_t seed, std::string_view purpose) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a over the name
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix(hash, seed);
}
constexpr std::uint64_t key_of_step(std::uint64_t key, std::uint64_t step) { return mix(key, step); }
constexpr std::uint64_t random_key(std::uint64_t seed, std::string_view purpose, std::uint64_t step = 0) {
  return key_of_step(key_of_purpose(seed, purpose), step);
}

// Four 32-bit words for counter `block`; logical element i is word i % 4 of block i / 4.
constexpr std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t block) {
  auto x0 = static_cast<std::uint32_t>(block), x1 = static_cast<std::uint32_t>(block >> 32);
  std::uint32_t x2 = 0, x3 = 0;
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * x0, b = std::uint64_t{0xCD9E8D57} * x2;
    x0 = static_cast<std::uint32_t>(b >> 32) ^ x1 ^ k0;
    x1 = static_cast<std::uint32_t>(b);
    x2 = static_cast<std::uint32_t>(a >> 32) ^ x3 ^ k1;
    x3 = static_cast<std::uint32_t>(a);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {x0, x1, x2, x3};
}

constexpr std::uint32_t random_word(std::uint64_t key, std::uint64_t index) {
  // Chosen, not indexed: a GPU's registers have no index, and the four words would go through memory.
  const auto words = philox(key, index / 4);
  const std::uint32_t first = (index & 2) == 0 ? words[0] : words[2], second = (index & 2) == 0 ? words[1] : words[3];
  return (index & 1) == 0 ? first : second;
}

// Uniform in [0, 1), 32 bits.
constexpr double random_uniform(std::uint64_t key, std::uint64_t index) { return random_word(key, index) * 0x1p-32; }

// Uniform integer in [0, n), n < 2^32 (multiply-shift; the bias is below n / 2^32).
constexpr std::uint64_t random_below(std::uint64_t key, std::uint64_t index, std::uint64_t n) {
  return (random_word(key, index) * n) >> 32;
}

// Standard normal (Box-Muller over one Philox block, so element i depends on counter i alone).
inline double random_normal(std::uint64_t key, std::uint64_t index) {
  const auto words = philox(key, index);
  const double u = (words[0] + 1.0) * 0x1p-32, v = words[1] * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
}

}  // namespace ctrain
