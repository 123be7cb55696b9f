#include "ops/names.h"

#include <catch2/catch.hpp>

#include "memory/error.h"

namespace ctrain {
namespace {

TEST_CASE("names are parsed from letters and numbers") {
  const Names names("bsf1f12");
  REQUIRE(names.size() == 4);
  CHECK(names[2] == Name{'f', 1});
  CHECK(names.back() == Name{'f', 12});
  CHECK(names.text() == "bsf1f12");
  CHECK(names.index({'s'}) == 1);
  CHECK(names.index({'f'}) == -1);
  CHECK(names.contains({'f', 1}));
  CHECK(Names("").empty());
}

TEST_CASE("names without one of them keep their order") {
  CHECK(Names("bsh").without({'s'}) == Names("bh"));
  CHECK(Names("bsh").without({'v'}) == Names("bsh"));
  CHECK_FALSE(Names("bs") == Names("bsh"));
  CHECK_FALSE(Names("sb") == Names("bs"));
}

TEST_CASE("impossible names are refused") {
  CHECK_THROWS_AS(Names("bsb"), Error);        // twice
  CHECK_THROWS_AS(Names("abcdefghi"), Error);  // more than fit
  CHECK_THROWS_AS(Names("f256"), Error);       // would wrap round to f0
  CHECK_THROWS_AS(Names("b,s"), Error);
  CHECK_NOTHROW(Names("f255"));
}

}  // namespace
}  // namespace ctrain
