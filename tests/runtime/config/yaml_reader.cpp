#include "runtime/config/yaml_reader.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "memory/error.h"
#include "tests/runtime/temporary_folder.h"

using namespace ctrain;
using Catch::Matchers::Contains;

namespace {

Setting read(const std::string& text) {
  Problems problems;
  Setting root = read_yaml(text, "f.yaml", problems);
  problems.throw_if_any();
  return root;
}

}  // namespace

TEST_CASE("every value and key knows its line and column", "[config]") {
  const Setting root = read("a: 1\nb:\n  - x\n  - {c: [2,\n    3]}\nempty:\nlast: 'q'\n");
  CHECK(root.at("a").location().text() == "f.yaml:1:4");
  CHECK(root.at("a").key_location().text() == "f.yaml:1:1");
  CHECK(root.at("b.0").location().text() == "f.yaml:3:5");
  CHECK(root.at("b.1.c.1").location().text() == "f.yaml:5:5");
  CHECK(root.at("b.1.c").key_location().text() == "f.yaml:4:6");
  CHECK(root.at("empty").is_null());
  CHECK(root.at("empty").location().text() == "f.yaml:6:1");  // yaml-cpp itself would say line 7
}

TEST_CASE("quotes make text, plain scalars have types", "[config]") {
  const Setting root = read("a: 010\nb: '010'\nc: \"true\"\nd: true\ne: yes\n");
  CHECK(root.inline_text() == "{a: 10, b: \"010\", c: \"true\", d: true, e: \"yes\"}");
}

TEST_CASE("references may stand anywhere and stay as they are", "[config]") {
  const Setting root = read(
      "a: {q: ${A}, r: [${B + 1}, '${C}']}\n# ${in a comment}\nb: \"x${A}y${env:D:-./d}\"  # ${A}\nc: ${A: b}\nd: 5\n");
  CHECK(root.at("a.q").text() == "${A}");
  CHECK(root.at("a.r.0").text() == "${B + 1}");
  CHECK(root.at("a.r.1").text() == "${C}");
  CHECK(root.at("b").text() == "x${A}y${env:D:-./d}");
  CHECK(root.at("c").text() == "${A: b}");
  CHECK(root.at("d").location().text() == "f.yaml:5:4");
  CHECK(root.at("a.r.1").location().text() == "f.yaml:1:28");
  CHECK_THROWS_WITH(read("x: 1\na: [${}]"), "f.yaml:2:5: expected a name or an expression in ${}");
  CHECK_THROWS_WITH(read("a: \xF3\xB0\x80\x80"), Contains("f.yaml:1:4: expected no characters"));
  CHECK_THROWS_WITH(read("${A}: 1"), "f.yaml:1:1: expected a plain name as a key");
}

TEST_CASE("duplicate keys are all reported", "[config]") {
  CHECK_THROWS_WITH(read("a: 1\nb: {c: 2, c: 3}\nd: [{e: 1, e: 2}]\na: 4\n"),
                    "3 problems in the configuration:\n"
                    "  f.yaml:2:11: b.c: '3': this key stands twice; expected it once (first at f.yaml:2:5)\n"
                    "  f.yaml:3:12: d.0.e: '2': this key stands twice; expected it once (first at f.yaml:3:6)\n"
                    "  f.yaml:4:1: a: '4': this key stands twice; expected it once (first at f.yaml:1:1)");
}

TEST_CASE("anchors, aliases and merge keys", "[config]") {
  CHECK(read("a: &x [1, 2]\nb: *x\n").at("b").inline_text() == "[1, 2]");
  const Setting merged =
      read("base: &b {lr: 1, wd: 2}\nmore: &m {wd: 3, eps: 4}\nc: {<<: [*b, *m], lr: 5}\nd:\n  <<: *b\n");
  CHECK(merged.at("c").inline_text() == "{lr: 5, wd: 2, eps: 4}");
  CHECK(merged.at("d").inline_text() == "{lr: 1, wd: 2}");
  CHECK_THROWS_WITH(read("a: &x [*x]"),
                    "f.yaml:1:8: expected an alias of something finished, not of what it stands in");
  CHECK_THROWS_WITH(read("a: {<<: 3}"), "f.yaml:1:9: expected a mapping, or a list of mappings, to merge");
  CHECK_THROWS_WITH(read("a: *nobody"), Contains("f.yaml:1:4: expected well-formed YAML"));
  std::string bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 9; ++i) bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  CHECK_THROWS_WITH(read(bomb), Contains("expected at most 100000 values"));
}

TEST_CASE("what is no configuration is told with its place", "[config]") {
  CHECK_THROWS_WITH(read("a: [1\n"), Contains("f.yaml:2:1: expected well-formed YAML: "));
  CHECK_THROWS_WITH(read("a: 1: 2\n"), Contains("f.yaml:1:5: expected well-formed YAML: "));
  CHECK_THROWS_WITH(read("a: 1\n---\nb: 2\n"), "f.yaml:2:1: expected one document; a second one begins here");
  CHECK_THROWS_WITH(read("a: !!python/tuple [1]"), Contains("f.yaml:1:4: expected no YAML tag"));
  CHECK_THROWS_WITH(read("? [1]\n: 2"), "f.yaml:1:3: expected a plain name as a key");
  CHECK_THROWS_WITH(read("? {a: 1}\n: 2"), Contains("expected a plain name as a key"));
  CHECK_THROWS_AS(read(std::string(2000, '[')), Error);
  CHECK_THROWS_AS(read(std::string(2000, '{')), Error);
  CHECK(read("").is_null());
  CHECK(read("# nothing\n").location().text() == "f.yaml:1:1");
}

TEST_CASE("a missing file is named, with the nearest one", "[config]") {
  const TemporaryFolder temporary;
  const std::filesystem::path& folder = temporary.path();
  std::ofstream(folder / "vit_2d.yaml") << "a: 1\n";
  CHECK(read_configuration_file(folder / "vit_2d.yaml") == "a: 1\n");
  CHECK_THROWS_WITH(read_configuration_file(folder / "vit2d.yaml"),
                    (folder / "vit2d.yaml").string() +
                        ": expected a configuration file, but it does not exist; did you mean '" +
                        (folder / "vit_2d.yaml").string() + "'?");
  CHECK_THROWS_WITH(read_configuration_file(folder / "nowhere" / "x.yaml"),
                    Contains("does not exist") && !Contains("did you mean"));
  CHECK_THROWS_WITH(read_configuration_file(folder), Contains("this is a folder"));
}
