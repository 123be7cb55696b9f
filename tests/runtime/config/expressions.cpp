#include "runtime/config/expressions.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "memory/error.h"
#include "runtime/config/arithmetic.h"
#include "runtime/config/yaml_reader.h"

using namespace ctrain;
using Catch::Matchers::Contains;

namespace {

std::string value(const std::string& expression) {
  const NameLookup lookup = [](std::string_view name) {
    if (name == "A") return Setting::of(7);
    if (name == "b.c") return Setting::of(0.5);
    if (name == "name") return Setting::of("vit");
    throw usage_error("no {}", name);
  };
  return evaluate_expression(expression, lookup).inline_text();
}

Setting resolved(const std::string& text) {
  Problems problems;
  Setting root = read_yaml(text, "f.yaml", problems);
  const ReferenceResult result = resolve_references(root, problems);
  CHECK(result.failed == !problems.empty());
  problems.throw_if_any();
  return root;
}

}  // namespace

TEST_CASE("arithmetic means what it means in Python", "[config]") {
  const std::vector<std::pair<std::string, std::string>> cases = {{"1 + 2 * 3", "7"},
                                                                  {"(1 + 2) * 3", "9"},
                                                                  {"7 / 2", "3.5"},
                                                                  {"8 / 2", "4.0"},
                                                                  {"7 // 2", "3"},
                                                                  {"-7 // 2", "-4"},
                                                                  {"7 // -2", "-4"},
                                                                  {"-7 % 3", "2"},
                                                                  {"7 % -3", "-2"},
                                                                  {"7.5 // 2", "3.0"},
                                                                  {"-7.5 % 2", "0.5"},
                                                                  {"1.0 // 0.1", "9.0"},
                                                                  {"2 ** 10", "1024"},
                                                                  {"2 ** -1", "0.5"},
                                                                  {"-2 ** 2", "-4"},
                                                                  {"2 ** 3 ** 2", "512"},
                                                                  {"(-2) ** 63", "-9223372036854775808"},
                                                                  {"2 ** 0.5 > 1", ""},
                                                                  {"1e3 + 1", "1001.0"},
                                                                  {"10 - 2 - 3", "5"},
                                                                  {"100 // 7 // 2", "7"},
                                                                  {"+-+3", "-3"},
                                                                  {"A * b.c", "3.5"},
                                                                  {"(32 // 4) ** 2 + 1", "65"},
                                                                  {" A ", "7"},
                                                                  {"name", "vit"},
                                                                  {"1.5e-3*2", "0.003"},
                                                                  {"0 ** 0", "1"},
                                                                  {"(-9223372036854775807 - 1) % -1", "0"}};
  for (const auto& [expression, expected] : cases) {
    INFO(expression);
    if (expected.empty())
      CHECK_THROWS_AS(value(expression), Error);
    else
      CHECK(value(expression) == expected);
  }
}

TEST_CASE("what is no expression says why", "[config]") {
  CHECK_THROWS_WITH(value("1 / 0"), "division by zero");
  CHECK_THROWS_WITH(value("1 % 0.0"), "division by zero");
  CHECK_THROWS_WITH(value("0 ** -1"), "zero has no negative power");
  CHECK_THROWS_WITH(value("(-8) ** 0.5"), "the result is no finite number");
  CHECK_THROWS_WITH(value("2 ** 63"), "the result needs more than 64 bits");
  CHECK_THROWS_WITH(value("9223372036854775807 + 1"), "the result needs more than 64 bits");
  CHECK_THROWS_WITH(value("(-9223372036854775807 - 1) // -1"), "the result needs more than 64 bits");
  CHECK_THROWS_WITH(value("(1 + 2"), "')' is missing");
  CHECK_THROWS_WITH(value("1 +"), "a name or a number is missing");
  CHECK_THROWS_WITH(value("1 2"), "'2' does not belong into an expression");
  CHECK_THROWS_WITH(value("name + 1"), "vit is no number to calculate with");
  CHECK_THROWS_WITH(value("2d"), "2d is no number to calculate with");
  CHECK_THROWS_WITH(value(std::string(1000, '(')), Contains("more than 100 levels"));
  CHECK_THROWS_WITH(value(std::string(1000, '-')), Contains("more than 100 levels"));
}

TEST_CASE("references take the other value's type, or become part of a text", "[config]") {
  const Setting root = resolved(
      "N: 4\nLR: 1e-3\nLIST: [1, 2.5]\nb: ${N}\nc: '${N}'\nd: \"run_${N}_${LR}\"\ne: {f: [${N * 2}]}\ng: ${e.f.0}\n"
      "h: ${LIST}\ni: $${N} and $$${N}\nj: ${h}\nk: ${e}\nl: ${k.f.0 + 1}\nm: ${i}\n");
  CHECK(root.at("b") == Setting::of(4));
  CHECK(root.at("c") == Setting::of(4));
  CHECK(root.at("d").text() == "run_4_0.001");
  CHECK(root.at("g") == Setting::of(8));
  CHECK(root.at("j").inline_text() == "[1, 2.5]");
  CHECK(root.at("i").text() == "${N} and $${N}");
  CHECK(root.at("m").text() == "${N} and $${N}");  // not replaced a second time
  CHECK(root.at("l") == Setting::of(9));
  CHECK(root.at("b").location().text() == "f.yaml:4:4");
}

TEST_CASE("references know synonyms, shorthands and defaults", "[config]") {
  const Setting root = resolved(
      "model: {type: vit, embed_dim: 64}\nparallel: {tensor: {size: 4, mode: 2d}, pipeline: 1}\nloss: "
      "MSELoss\nbatch_size: 8\n"
      "A: ${model.hidden_size}\nB: ${model.depth}\nC: ${parallel.pipeline.size}\nD: ${loss.type}\nE: ${BATCH_SIZE}\nF: "
      "${SEED}\n");
  CHECK(root.at("A") == Setting::of(64));
  CHECK(root.at("B") == Setting::of(12));
  CHECK(root.at("C") == Setting::of(1));
  CHECK(root.at("D") == Setting::of("MSELoss"));
  CHECK(root.at("E") == Setting::of(8));
  CHECK(root.at("F") == Setting::of(1024));
}

TEST_CASE("the environment", "[config]") {
  setenv("CTRAIN_TEST_A", "/data/x", 1);
  setenv("CTRAIN_TEST_N", "12", 1);
  setenv("CTRAIN_TEST_EMPTY", "", 1);
  unsetenv("CTRAIN_TEST_NONE");
  const Setting root = resolved(
      "a: ${env:CTRAIN_TEST_A}/y\nb: ${env:CTRAIN_TEST_N}\nc: ${env:CTRAIN_TEST_NONE:-./data}\nd: "
      "[${env:CTRAIN_TEST_EMPTY:-7}]\n"
      "e: x${env:CTRAIN_TEST_EMPTY}\n");
  CHECK(root.at("a").text() == "/data/x/y");
  CHECK(root.at("b") == Setting::of(12));
  CHECK(root.at("c") == Setting::of("./data"));
  CHECK(root.at("d.0") == Setting::of(7));
  CHECK(root.at("e").text() == "x");
  CHECK_THROWS_WITH(
      resolved("x: 1\na: ${env:CTRAIN_TEST_NONE}"),
      Contains("f.yaml:2:4: a: '${env:CTRAIN_TEST_NONE}': the environment has no variable CTRAIN_TEST_NONE"));
}

TEST_CASE("unknown names, cycles and bombs are told with their place", "[config]") {
  CHECK_THROWS_WITH(resolved("IMG_SIZE: 3\na: [1, ${IMG_SIZ}]"),
                    "f.yaml:2:8: a.1: '${IMG_SIZ}': there is no value 'IMG_SIZ'; did you mean 'IMG_SIZE'?");
  CHECK_THROWS_WITH(resolved("A: ${B}\nB: ${C}\nC: ${A}\n"),
                    "f.yaml:3:4: C: '${A}': this refers to itself: A -> B -> C -> A");
  CHECK_THROWS_WITH(resolved("A: ${A}"), "f.yaml:1:4: A: '${A}': this refers to itself: A -> A");
  CHECK_THROWS_WITH(resolved("a: {b: ${a}}"), "f.yaml:1:8: a.b: '${a}': this refers to itself: a -> a.b -> a");
  CHECK_THROWS_WITH(resolved("a: x${b"), Contains("f.yaml:1:4: a: 'x${b': '}' is missing"));
  CHECK_THROWS_WITH(resolved("L: [1]\na: x${L}"), Contains("[1] cannot stand inside a text"));
  CHECK_THROWS_WITH(resolved("A: ${X}\nB: ${A}\nC: ${B + 1}\n"),
                    "f.yaml:1:4: A: '${X}': there is no value 'X'");  // once
  std::string text = "a0: xxxxxxxxxx\n", list = "a0: [1, 1]\n", chain = "c0: 1\n";
  for (int i = 1; i < 300; ++i) {
    const std::string before = std::to_string(i - 1), name = std::to_string(i);
    text += "a" + name + ": ${a" + before + "}${a" + before + "}\n";
    list += "a" + name + ": [${a" + before + "}, ${a" + before + "}]\n";
    chain = "c" + name + ": ${c" + before + "}\n" + chain;
  }
  CHECK_THROWS_WITH(resolved(text), Contains("this becomes longer than 65536 characters"));
  CHECK_THROWS_WITH(resolved(list), Contains("more than 100000 values by references"));
  CHECK_THROWS_WITH(resolved(chain), Contains("more than 200 references in a row"));
}
