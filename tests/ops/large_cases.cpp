#include "ops/build.h"
#include "tests/ops/cases.h"

namespace ctrain::testing {
namespace {

Value* weight(Graph& graph, const std::string& name, const Names& dims) {
  return graph.parameter(name, dims, ParameterRole::linear, {});
}
// An operand in the type of activations.
Value* real(Graph& graph, const std::string& name, const Names& dims) {
  return graph.cast(weight(graph, name, dims), graph.activation());
}

Value* linear_layer(Graph& g, const Names& x, const Names& w, const Names& b) {
  return linear(real(g, "x", x), real(g, "w", w), real(g, "b", b));
}

Value* embedding(Graph& g) {
  return g.apply_one("embedding", {g.input("ids", "bs", DType::i32), real(g, "table", "vh")});
}

Value* vocabulary(Graph& g) {
  Value* labels = g.input("labels", "bs", DType::i32);
  correct_count(real(g, "other", "bsv"), labels);
  return cross_entropy(real(g, "x", "bsv"), labels, label_count(labels), 0.1);
}

}  // namespace

std::vector<OpCase> large_cases() {
  constexpr Name b{'b'}, s{'s'}, h{'h'}, t{'t'}, n{'n'}, d{'d'}, f{'f'}, p{'p'}, v{'v'};
  const Extents heads{{b, 2}, {s, 65}, {h, 48}, {t, 3}, {n, 3}, {d, 16}};
  std::vector<OpCase> cases{
      {"linear to heads", heads, [](Graph& g) { return linear_layer(g, "bsh", "htnd", "tnd"); }},
      {"linear from heads", heads, [](Graph& g) { return linear_layer(g, "bsnd", "ndh", "h"); }},
      {"cross-entropy of a large vocabulary", {{b, 3}, {s, 2}, {v, 4099}}, vocabulary},
  };
  // Rows of the table with many tokens, with few and with none; widths that are whole vectors and that are not.
  for (const Extents& extents : std::vector<Extents>{{{b, 3}, {s, 1500}, {v, 700}, {h, 8}},
                                                     {{b, 2}, {s, 300}, {v, 2}, {h, 1096}},
                                                     {{b, 1}, {s, 2}, {v, 513}, {h, 7}}})
    cases.push_back({"embedding in " + std::to_string(extents.at(v)), extents, embedding});
  // Rows that are whole vectors of any length, and rows that are not.
  for (const Extents& extents : std::vector<Extents>{{{b, 3}, {s, 37}, {h, 96}, {f, 128}, {p, 40}, {v, 50}},
                                                     {{b, 5}, {s, 37}, {h, 70}, {f, 131}, {p, 37}, {v, 133}}}) {
    const auto add_case = [&](const char* name, const std::function<Value*(Graph&)>& build) {
      cases.push_back({name + std::string(" of ") + std::to_string(extents.at({'h'})), extents, build});
    };
    add_case("linear", [](Graph& g) { return linear_layer(g, "bsh", "hf", "f"); });
    add_case("add", [](Graph& g) { return add({real(g, "x", "bsh"), real(g, "y", "bsh"), real(g, "z", "bsh")}); });
    add_case("positions", [](Graph& g) { return bias(real(g, "x", "bsh"), real(g, "p", "sh")); });
    add_case("dropout", [](Graph& g) { return dropout(real(g, "x", "bsh"), 0.3); });
    add_case("drop path", [](Graph& g) { return drop_path(real(g, "x", "bsh"), 0.4); });
    for (const char* kind : {"gelu", "gelu_tanh", "relu", "tanh"})
      add_case(kind, [=](Graph& g) { return activation(real(g, "x", "bsh"), kind); });
    add_case("layer norm",
             [](Graph& g) { return layer_norm(real(g, "x", "bsh"), weight(g, "w", "h"), weight(g, "c", "h"), 1e-5); });
    add_case("embedding", embedding);
    add_case("learned positions", [](Graph& g) {
      return g.apply_one("add_positions", {real(g, "x", "bsh"), real(g, "table", "ph")});
    });
    add_case("cross-entropy", vocabulary);
    add_case("sums", [](Graph& g) -> Value* {
      g.apply("sum_squares", {weight(g, "x", "bshf")});
      for (const char* output : {"b", "hb", "s"}) sum_to(real(g, output, "bsh"), output);
      return nullptr;
    });
  }
  // Tokens: one block of keys with a remainder; several blocks of queries and of keys.
  for (const auto& [tokens, width] : {std::pair{65, 64}, std::pair{300, 20}})
    for (const bool causal : {false, true})
      for (const double rate : {0.0, 0.25})
        cases.push_back(
            {"attention of " + std::to_string(tokens) + (causal ? ", causal" : "") + (rate > 0 ? ", dropout" : ""),
             {{b, 2}, {s, tokens}, {t, 3}, {n, 3}, {d, width}},
             [=](Graph& g) { return attention(real(g, "qkv", "bstnd"), causal, rate); }});
  return cases;
}

}  // namespace ctrain::testing
