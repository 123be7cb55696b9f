// The grammar of .py files: what is read, what is refused, and where it says so.
#include "runtime/config/python_reader.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "memory/error.h"

using namespace ctrain;
using Catch::Matchers::Contains;

namespace {

Setting read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  Problems problems;
  PythonFile file = read_python(text, "f.py", overrides, problems);
  problems.throw_if_any();
  return std::move(file.root);
}

std::string value(const std::string& expression) { return read("X = " + expression + "\n").at("X").inline_text(); }

std::string problem(const std::string& text) {
  try {
    read(text);
    return "";
  } catch (const Error& error) {
    return error.kind() == ErrorKind::usage ? error.what() : std::string("not a usage error: ") + error.what();
  }
}

}  // namespace

TEST_CASE("values of every kind", "[config]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"512", "512"},
      {"1_000", "1000"},
      {"0xff", "255"},
      {"0.", "0.0"},
      {".5", "0.5"},
      {"3e-3", "0.003"},
      {"1E+2", "100.0"},
      {"None", "null"},
      {"True", "true"},
      {"False", "false"},
      {"'2d'", "2d"},
      {"'a' \"b\"", "ab"},
      {"('a'\n 'b')", "ab"},
      {"'''a\n'b'\n'''", "\"a\\n'b'\\n\""},
      {"\"\"\"a\"\"\"", "a"},
      {R"('\'\\\t')", R"("'\\\t")"},
      {R"(r'\d\'')", R"("\\d\\'")"},
      {"u'x'", "x"},
      {"'a\\\nb'", "ab"},
      {"'a' + 'b'", "ab"},
      {"''", "\"\""},
      {"[]", "[]"},
      {"[1, 2,]", "[1, 2]"},
      {"()", "[]"},
      {"(1,)", "[1]"},
      {"(1)", "1"},
      {"1, 2", "[1, 2]"},
      {"1,", "[1]"},
      {"[1] + [2, 3]", "[1, 2, 3]"},
      {"{}", "{}"},
      {"{'a': 1, \"b\": {'c': None},}", "{a: 1, b: {c: null}}"},
      {"dict()", "{}"},
      {"dict(a=1, b=dict(c=(1, 2)),)", "{a: 1, b: {c: [1, 2]}}"},
      {"[1, 2, 3][-1]", "3"},
      {"dict(a=[4])['a'][0]", "4"},
  };
  for (const auto& [expression, expected] : cases) {
    INFO(expression);
    CHECK(value(expression) == expected);
  }
}

TEST_CASE("a text of a .py file holds no references", "[config]") {
  for (const char* text : {"'${A}'", "'$' '{A}'", "'$' + '{A}'"})
    CHECK(read(std::string("X = ") + text + "\n").at("X").text() == "$${A}");  // which resolve_references() undoes
}

TEST_CASE("arithmetic is Python's", "[config]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"2.**16", "65536.0"},  {"2 ** 32", "4294967296"},
      {"-2 ** 2", "-4"},      {"2 ** -1", "0.5"},
      {"2 ** 3 ** 2", "512"}, {"7 / 2", "3.5"},
      {"-7 // 2", "-4"},      {"-7 % 3", "2"},
      {"1 + 2 * 3", "7"},     {"(1 + 2) * 3", "9"},
      {"-(1 + 2)", "-3"},     {"+1", "1"},
      {"10 - 2 - 3", "5"},    {"(224 // 16) ** 2 + 1", "197"},
      {"- -1", "1"},          {"2*-3", "-6"},
  };
  for (const auto& [expression, expected] : cases) {
    INFO(expression);
    CHECK(value(expression) == expected);
  }
}

TEST_CASE("names, parts, several targets, subscripts on the left", "[config]") {
  const Setting root = read(R"("""A docstring
of two lines."""
import os, sys
from colossalai.amp import AMP_TYPE  # a comment
from x.y import (a,
                 b as c)
A, B = 4, 'x'   # comment
parallel = dict(pipeline=2, tensor={'size': A, 'mode': '1d'})
NUM_MICRO_BATCHES = parallel['pipeline']
parallel['tensor']['size'] = A * 2
parallel['data'] = 1
SHAPE = (A // NUM_MICRO_BATCHES,
         parallel['tensor']['size'])
SHAPE[0] = 7
A = A + 1
C = \
    A
fp16 = dict(mode=AMP_TYPE.TORCH)
modes = [AMP_TYPE.NAIVE, AMP_TYPE.APEX, AMP_TYPE.PARALLEL]
)");
  CHECK(root.inline_text() ==
        "{A: 5, B: x, parallel: {pipeline: 2, tensor: {size: 8, mode: 1d}, data: 1}, NUM_MICRO_BATCHES: 2, "
        "SHAPE: [7, 8], C: 5, fp16: {mode: torch}, modes: [naive, apex, naive]}");
}

TEST_CASE("every value and key knows its line and column in a .py file", "[config]") {
  const Setting root = read("A = 1\nb = dict(\n  c=[2,\n     A],\n  d={'e': -3})\r\n\"\"\"x\ny\"\"\"\nf = 'g'\n");
  CHECK(root.at("A").location().text() == "f.py:1:5");
  CHECK(root.at("A").key_location().text() == "f.py:1:1");
  CHECK(root.at("b").location().text() == "f.py:2:5");
  CHECK(root.at("b.c").key_location().text() == "f.py:3:3");
  CHECK(root.at("b.c.1").location().text() == "f.py:4:6");  // where it is used, not where A got its value
  CHECK(root.at("b.d").location().text() == "f.py:5:5");
  CHECK(root.at("b.d.e").key_location().text() == "f.py:5:6");
  CHECK(root.at("b.d.e").location().text() == "f.py:5:11");
  CHECK(root.at("f").location().text() == "f.py:8:5");
  CHECK(read("").location().text() == "f.py:1:1");
  CHECK(read("\xEF\xBB\xBF# nothing\n\n").inline_text() == "{}");
  CHECK(read("A = 1").inline_text() == "{A: 1}");  // no end of the last line
}

TEST_CASE("the environment in a .py file", "[config]") {
  unsetenv("CTRAIN_TEST_DATA");
  CHECK(value("os.environ.get('CTRAIN_TEST_DATA', './data')") == "./data");
  CHECK(value("os.environ.get('CTRAIN_TEST_DATA')") == "null");
  CHECK(problem("A = 1\nB = Path(os.environ['CTRAIN_TEST_DATA'])\n") ==
        "f.py:2:21: 'CTRAIN_TEST_DATA': the environment has no such variable; set it, or give a default: "
        "os.environ.get('CTRAIN_TEST_DATA', './data')");
  setenv("CTRAIN_TEST_DATA", "7", 1);
  CHECK(value("Path(os.environ['CTRAIN_TEST_DATA'])") == "\"7\"");  // a text, as in Python
  CHECK(value("os.environ['CTRAIN_' 'TEST_DATA'] + '/x'") == "7/x");
  CHECK(value("os.environ.get('CTRAIN_TEST_DATA', './data')") == "\"7\"");
  unsetenv("CTRAIN_TEST_DATA");
}

TEST_CASE("members of CONFIG stand for assignments", "[config]") {
  CHECK(read("A = 4\nCONFIG = dict(NUM_MICRO_BATCHES=A, A=4, parallel=dict(pipeline=2))\n").inline_text() ==
        "{A: 4, NUM_MICRO_BATCHES: 4, parallel: {pipeline: 2}}");
  CHECK(problem("A = 4\nCONFIG = dict(A=5)\n") == "f.py:2:17: CONFIG.A: '5': expected 4, as at f.py:1:5");
  CHECK(problem("CONFIG = 3\n") == "f.py:1:10: CONFIG: '3': expected a dict(...) of keys");
}

TEST_CASE("names that values use are told", "[config]") {
  Problems problems;
  const PythonFile file =
      read_python("A = 1\nroot = 'x'\nseed = 2\nunused = 3\nB = [A, root, seed]\n", "f.py", {}, problems);
  CHECK(file.used == std::set<std::string>{"A", "root", "seed"});
  CHECK(file.root.inline_text() == "{A: 1, root: x, seed: 2, unused: 3, B: [1, x, 2]}");
}

TEST_CASE("what is calculated from an overridden name follows it", "[config]") {
  const std::string text =
      "SIZE = 32\nparallel = dict(tensor=4, pipeline=SIZE)\nB = SIZE // 2\nC = parallel['tensor']\n";
  CHECK(read(text, {"SIZE=64", "parallel.tensor=9", "nowhere=1"}).inline_text() ==
        "{SIZE: 64, parallel: {tensor: 9, pipeline: 64}, B: 32, C: 9}");
  CHECK(read("NUM_EPOCHS = 3\nA = NUM_EPOCHS\n", {"num_epochs=5"}).at("A").integer() == 5);  // a synonym
}

TEST_CASE("lines that are no assignments are refused, all of them", "[config]") {
  const std::string allowed =
      "expected an assignment (NAME = value, NAME['key'] = value), an import or a comment: the file is read, not run";
  CHECK(problem("A = 1\nfor i in A:\n    B = 2\nprint(A)\n") ==
        "3 problems in the configuration:\n"
        "  f.py:2:1: 'for': " +
            allowed +
            "\n"
            "  f.py:3:5: 'B': this line is indented; " +
            allowed +
            "\n"
            "  f.py:4:1: 'print': " +
            allowed);
  for (const char* line : {"A += 1", "A: int = 1", "if A:", "class C:", "def f():", "A", "1 = 2", "'x'.y()", "a.b = 1",
                           "assert A", "@x", "A, 1 = 2, 3", "[A] = 1", "f(x) = 1", "del A", "A == 1"}) {
    INFO(line);
    CHECK_THAT(problem(std::string("A = 1\n\n") + line + "\n"), Contains("f.py:3:1: '") && Contains(allowed));
  }
}

TEST_CASE("values that are not understood are refused where they stand", "[config]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"print(1)",
       "f.py:1:5: 'print': expected a number, a text, None, True, False, [...], (...), {...}, dict(...), a "
       "name assigned above, arithmetic, AMP_TYPE.X, os.environ['X'], os.environ.get('X', 'default') or "
       "Path(...)"},
      {"torch.float16", "f.py:1:5: 'torch': expected a number"},
      {"lambda: 1", "f.py:1:5: 'lambda': no such name is assigned above; expected a number"},
      {"", "f.py:1:5: 'the end of the line': expected a number"},
      {"1 2", "f.py:1:7: '2': expected the end of the line"},
      {"1; B = 2", "f.py:1:6: ';': expected the end of the line"},
      {"1 if True else 2", "f.py:1:7: 'if': expected the end of the line"},
      {"B = 1", "f.py:1:5: 'B': no such name"},
      {"[x for x in y]", "f.py:1:6: 'x': no such name"},
      {"[1 for x in y]", "f.py:1:8: 'for': expected ','"},
      {"(1 2)", "f.py:1:8: '2': expected ','"},
      {"dict(1)", "f.py:1:10: '1': expected key=value"},
      {"dict(a)", "f.py:1:11: ')': expected key=value"},
      {"dict(**y)", "f.py:1:10: '**': expected key=value"},
      {"dict(a=1, a=2)", "f.py:1:15: 'a': this key stands twice; expected it once (first at f.py:1:10)"},
      {"{'a': 1, 'a': 2}", "f.py:1:14: 'a': this key stands twice"},
      {"{1: 2}", "f.py:1:6: '1': expected a text as a key"},
      {"{'': 2}", "f.py:1:6: expected a plain name as a key"},
      {"{'${A}': 2}", "f.py:1:6: '${A}': expected a plain name as a key"},
      {"{'a', 'b'}", "f.py:1:9: ',': expected ':'"},
      {"1 / 0", "f.py:1:5: division by zero"},
      {"[1, 2 // 0]", "f.py:1:9: division by zero"},
      {"2 ** 64", "f.py:1:5: the result needs more than 64 bits"},
      {"'a' * 3", "f.py:1:5: a is no number to calculate with"},
      {"-'a'", "f.py:1:5: a is no number to calculate with"},
      {"'a' + 1", "f.py:1:5: a is no number to calculate with"},
      {"'%d' % 3", "is no number to calculate with"},
      {"True + 1", "f.py:1:5: true is no number to calculate with"},
      {"010", "f.py:1:5: '010': expected a number such as 512, 0.1, 1e-3 or 0xff"},
      {"3j", "f.py:1:5: '3j': expected a number"},
      {"1.2.3", "f.py:1:5: '1.2.3': expected a number"},
      {"[1][1]", "f.py:1:8: '[1]': there is no such part of [1]"},
      {"[1]['a']", "f.py:1:8: '[a]': there is no such part of [1]"},
      {"dict(a=1)['b']", "f.py:1:14: '[b]': there is no such part of {a: 1}"},
      {"[1, 2][0:1]", "f.py:1:13: ':': expected ']'"},
      {"Path(3)", "f.py:1:10: '3': expected a text in Path()"},
      {"Path('a') / 'b'", "f.py:1:5: a is no number to calculate with"},
      {"Path('a', 'b')", "f.py:1:13: ',': expected ')'"},
      {"os.path.join('a')", "f.py:1:8: 'path': expected os.environ['NAME'] or os.environ.get('NAME', default)"},
      {"os.environ.keys()", "f.py:1:16: 'keys': expected os.environ['NAME']"},
      {"os.environ[DATA]", "f.py:1:16: 'DATA': expected the name of an environment variable in quotes"},
      {"AMP_TYPE.FP8", "f.py:1:14: 'FP8': expected AMP_TYPE.TORCH, AMP_TYPE.NAIVE or AMP_TYPE.APEX"},
      {"f'{x}'", "f.py:1:5: 'f' before a text: expected no such prefix"},
      {"'abc", "f.py:1:5: this text is never closed; expected '"},
      {"'''abc\n'", "f.py:1:5: this text is never closed; expected '''"},
      {"(1,\n2", "f.py:1:5: '(' is never closed"},
      {"(1]", "f.py:1:7: ']' does not close the '(' at f.py:1:5"},
      {"1)", "f.py:1:6: ')' closes nothing"},
      {"'\\q'", "f.py:1:6: this escape is not understood; expected \\\\"},
      {"\u20182d\u2019", "f.py:1:5: a typographic quote; expected ' or \""},
      {"1 $ 2", "f.py:1:7: a character that does not belong here"},
      {"'\xff'", "f.py: expected text in UTF-8"},
      {std::string(500, '(') + std::string(500, ')'), "more than 100 levels"},
      {std::string(500, '-') + "1", "more than 100 levels"},
  };
  for (const auto& [expression, expected] : cases) {
    INFO(expression);
    CHECK_THAT(problem("X = " + expression + "\n"), Contains(expected));
  }
  CHECK_THAT(problem("A, B = 1, 2, 3\n"), Contains("f.py:1:8: '[1, 2, 3]': expected 2 values, one for each name"));
  CHECK_THAT(problem("HIDDEN = 3\nB = HIDEN\n"),
             Contains("f.py:2:5: 'HIDEN': no such name is assigned above; did you mean 'HIDDEN'?"));
  CHECK_THAT(problem("A = [1]\nA[1] = 2\n"), Contains("f.py:2:1: '[1]': there is no such part"));
  CHECK_THAT(problem("import os; A = 3\n"), Contains("f.py:1:10: ';': expected the rest of an import"));
  // A name whose line is wrong is not complained of a second time.
  CHECK(problem("A = 1 / 0\nB = A + 1\nC = B\nA = 2\nD = A\n") == "f.py:1:5: division by zero");
}

TEST_CASE("small files cannot become large trees", "[config]") {
  std::string bomb = "A = [1, 1, 1, 1, 1, 1, 1, 1]\n", text = "B = 'xxxxxxxx'\n";
  for (int i = 0; i < 40; ++i) bomb += "A = [A, A, A, A]\n";
  for (int i = 0; i < 40; ++i) text += "B = B + B\n";
  CHECK_THAT(problem(bomb), Contains("more than 100000 values by names"));
  CHECK_THAT(problem(text), Contains("this becomes longer than 65536 characters"));
}
