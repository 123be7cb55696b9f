#include "runtime/config/setting.h"

#include <catch2/catch.hpp>

#include "memory/error.h"
#include "runtime/config/nearest.h"
#include "runtime/config/scalar.h"

using namespace ctrain;
using Catch::Matchers::Contains;

namespace {

using Kind = Setting::Kind;

Setting example() {
  return Setting::of(std::vector<Setting::Member>{
      {"model", Setting::of(std::vector<Setting::Member>{{"depth", Setting::of(4)}, {"bias", {}}})},
      {"hooks", Setting::of(std::vector<Setting>{Setting::of("a"), Setting::of(true)})},
      {"lr", Setting::of(0.1)}});
}

}  // namespace

TEST_CASE("values are reached by key and by path", "[config]") {
  const Setting root = example();
  CHECK(root["model"]["depth"].integer() == 4);
  CHECK(root.at("model.depth").real() == 4.0);
  CHECK(root.at("hooks.1").boolean());
  CHECK(root.find_path("hooks.2") == nullptr);
  CHECK(root.find_path("hooks.x") == nullptr);
  CHECK(root.find("nothing") == nullptr);
  CHECK(root["model"].has("depth"));
  CHECK_FALSE(root["model"].has("bias"));  // null
  CHECK_FALSE(root["lr"].has("x"));        // no mapping
  CHECK_THROWS_WITH(root["depth"], Contains("has no 'depth'"));
  CHECK_THROWS_WITH(root.at("model.width"), Contains("no 'model.width'"));
  CHECK_THROWS_WITH(root["lr"].integer(), Contains("read as an integer, but is a real number"));
  CHECK_THROWS_AS(root["lr"].text(), Error);
}

TEST_CASE("a setting is replaced or added, compared and shown in one line", "[config]") {
  Setting root = example();
  CHECK(root.inline_text() == "{model: {depth: 4, bias: null}, hooks: [a, true], lr: 0.1}");
  CHECK(root == example());
  root.set("lr", Setting::of("0.1"));
  CHECK_FALSE(root == example());
  CHECK(root["lr"].inline_text() == "\"0.1\"");
  root.set("new", Setting::of(1.0));
  CHECK(root["new"].inline_text() == "1.0");
  CHECK_FALSE(Setting::of(1) == Setting::of(1.0));
}

TEST_CASE("problems are told all at once, in the order of the file", "[config]") {
  Problems problems;
  CHECK_NOTHROW(problems.throw_if_any());
  problems.add({"--set"}, "model.depth", "x", "an integer");
  problems.add({"a.yaml", 12, 3}, "optimizer.tpye", "SGD", "a known key", "type");
  problems.refuse({"a.yaml", 2, 1}, "zero", "{}", "is not built yet");
  CHECK_THROWS_WITH(problems.throw_if_any(),
                    "3 problems in the configuration:\n"
                    "  a.yaml:2:1: zero: '{}': is not built yet\n"
                    "  a.yaml:12:3: optimizer.tpye: 'SGD': expected a known key; did you mean 'type'?\n"
                    "  --set: model.depth: 'x': expected an integer");
  Problems one;
  one.add({"a.yaml", 1, 2}, "k", std::string(300, 'x'), "less");
  CHECK(one.lines().front() == "a.yaml:1:2: k: '" + std::string(77, 'x') + "...': expected less");
}

TEST_CASE("plain scalars are typed by YAML 1.2", "[config]") {
  CHECK(parse_scalar("").is_null());
  CHECK(parse_scalar("~").is_null());
  CHECK(parse_scalar("null").is_null());
  CHECK(parse_scalar("true").boolean());
  CHECK(parse_scalar("10").integer() == 10);
  CHECK(parse_scalar("-7").integer() == -7);
  CHECK(parse_scalar("+7").integer() == 7);
  CHECK(parse_scalar("010").integer() == 10);  // ten, not eight
  CHECK(parse_scalar("0x1F").integer() == 31);
  CHECK(parse_scalar("0o17").integer() == 15);
  CHECK(parse_scalar("1e-3").real() == 1e-3);
  CHECK(parse_scalar("2.").real() == 2.0);
  CHECK(parse_scalar("-.5").real() == -0.5);
  CHECK(parse_scalar("-.inf").real() < -1e300);
  CHECK(parse_scalar(".nan").kind() == Kind::real);
  CHECK(parse_scalar("9223372036854775808").kind() == Kind::real);
  for (const char* text :
       {"yes", "on", "2d", "1_000", "1e", "e5", ".", "-", "+", "0x", "0x-1", "1.2.3", "inf", "--1", "1e999"}) {
    INFO(text);
    CHECK(parse_scalar(text).kind() == Kind::text);
  }
}

TEST_CASE("written scalars read back as the same", "[config]") {
  for (const double value : {0.1, 2e-3, 1.0, -0.0, 1e300, 5e-324, 1.0 / 3, 123456789.0}) {
    INFO(value);
    CHECK(parse_scalar(real_text(value)) == Setting::of(value));
  }
  CHECK(real_text(0.002) == "0.002");
  CHECK(real_text(4) == "4.0");
  for (const char* plain : {"adamw", "2d", "./data", "/usr/share", "../x", "1h30m", "a-b"})
    CHECK(quoted_where_needed(plain) == plain);
  CHECK(quoted_where_needed("yes") == "\"yes\"");
  CHECK(quoted_where_needed("1e5") == "\"1e5\"");
  CHECK(quoted_where_needed("") == "\"\"");
  CHECK(quoted_where_needed("a: b\n\"c\"\x01") == "\"a: b\\n\\\"c\\\"\\x01\"");
  CHECK(quoted_where_needed("${A}") == "\"$${A}\"");
}

TEST_CASE("the nearest spelling", "[config]") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("modle", "model") == 1);  // neighbours swapped
  CHECK(edit_distance("Model", "MODEL") == 0);
  CHECK(nearest("hiden_size", {"num_heads", "hidden_size"}) == "hidden_size");
  CHECK(nearest("adamw", {"SGD", "Adam", "AdamW"}) == "AdamW");
  CHECK(nearest("gradient_clipping", {"model", "hooks"}).empty());
  CHECK(nearest("lr", {"eps"}).empty());
}
