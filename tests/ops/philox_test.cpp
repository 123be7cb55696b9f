#include "ops/philox.h"

#include <catch2/catch.hpp>
#include <set>

#include "ops/dropout_mask.h"

namespace ctrain {
namespace {

TEST_CASE("Philox 4x32-10 gives the published words of counter 0 and key 0") {
  CHECK(philox(0, 0) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
}

TEST_CASE("element i is word i mod 4 of block i div 4") {
  const std::uint64_t key = random_key(1, "x");
  for (std::uint64_t i = 0; i < 16; ++i) CHECK(random_word(key, i) == philox(key, i / 4)[i % 4]);
}

TEST_CASE("keys depend on seed, purpose and step") {
  std::set<std::uint64_t> keys;
  for (std::uint64_t seed : {0, 1})
    for (const char* purpose : {"", "a", "b", "ab"})
      for (std::uint64_t step : {0, 1, 2}) keys.insert(random_key(seed, purpose, step));
  CHECK(keys.size() == 24);
}

TEST_CASE("distributions have their moments") {
  constexpr int n = 20000;
  const std::uint64_t key = random_key(7, "moments");
  double uniform = 0, normal = 0, squares = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double u = random_uniform(key, i), z = random_normal(key, i);
    CHECK((u >= 0 && u < 1));
    uniform += u / n;
    normal += z / n;
    squares += z * z / n;
    if (random_below(key, i, 3) > 2) FAIL("random_below(…, 3) is not below 3");
  }
  CHECK(uniform == Approx(0.5).margin(0.01));  // five deviations of the mean of n draws
  CHECK(normal == Approx(0).margin(0.036));
  CHECK(squares == Approx(1).margin(0.05));
}

TEST_CASE("a dropout mask keeps 1 - rate of the elements, scaled, and keeps all at rate 0") {
  DropoutMask mask(3, "key", 5, 0.25), other_step(3, "key", 6, 0.25), none(3, "key", 5, 0);
  int kept = 0, changed = 0;
  for (std::int64_t i = 0; i < 10000; ++i) {
    const double factor = mask.factor(i);
    if (factor != 0 && factor != 1 / 0.75) FAIL("factor " << factor);
    kept += factor != 0 ? 1 : 0;
    changed += factor != other_step.factor(i) ? 1 : 0;
    if (none.factor(i) != 1) FAIL("dropped at rate 0");
  }
  CHECK(kept == Approx(7500).margin(217));  // five deviations
  CHECK(changed > 3000);
}

}  // namespace
}  // namespace ctrain
