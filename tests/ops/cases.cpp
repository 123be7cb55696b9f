#include "tests/ops/cases.h"

#include "ops/build.h"
#include "ops/philox.h"

namespace ctrain::testing {
namespace {

using Build = std::function<Value*(Graph&)>;

Value* weight(Graph& graph, const std::string& name, const Names& dims) {
  return graph.parameter(name, dims, ParameterRole::linear, {});
}
// An operand in the type of activations.
Value* real(Graph& graph, const std::string& name, const Names& dims) {
  return graph.cast(weight(graph, name, dims), graph.activation());
}
Value* integers(Graph& graph, const std::string& name, const Names& dims) {
  return graph.input(name, dims, DType::i32);
}

Build linear_layer(const Names& x, const Names& weight, const Names& b) {
  return [=](Graph& g) { return linear(real(g, "x", x), real(g, "w", weight), b.empty() ? nullptr : real(g, "b", b)); };
}

Build product(const Names& a, const Names& b, const std::string& output) {
  return [=](Graph& g) { return g.apply_one("matmul", {real(g, "a", a), real(g, "b", b)}, {{"output", output}}); };
}

Build activation_of(const std::string& kind) {
  return [=](Graph& g) { return activation(real(g, "x", "bsh"), kind); };
}

Build attention_with(bool causal, double rate) {
  return [=](Graph& g) { return attention(real(g, "qkv", "bstnd"), causal, rate); };
}

Build classes(const Names& logits, double smoothing) {
  return [=](Graph& g) {
    Value* x = real(g, "x", logits);
    Value* labels = integers(g, "labels", logits.without(logits.back()));
    return cross_entropy(x, labels, label_count(labels), smoothing);
  };
}

// Ops without a gradient: the case is there for the comparisons.
Build only(const std::function<void(Graph&)>& build) {
  return [=](Graph& g) -> Value* {
    build(g);
    return nullptr;
  };
}

Build sgd(bool momentum) {
  return only([=](Graph& g) {
    Value* p = weight(g, "p", "hf");
    std::vector<Value*> operands{p, weight(g, "g", "hf")};
    if (momentum) operands.push_back(g.state("velocity", p));
    g.apply("sgd_update", operands, {{"momentum", 0.9}, {"decay", 0.01}});
  });
}

Build adam(bool decoupled) {
  return only([=](Graph& g) {
    Value* p = weight(g, "p", "hf");
    g.apply(
        "adam_update", {p, weight(g, "g", "hf"), g.state("m", p), g.state("v", p)},
        {{"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-8}, {"decay", 0.01}, {"decoupled", std::int64_t{decoupled}}});
  });
}

Value* mean_square_case(Graph& g) {
  Value* labels = integers(g, "labels", "b");
  return mean_squared_error(real(g, "x", "bh"), g.input("y", "bh", g.real()), labels, label_count(labels));
}

Value* add_case(Graph& g) {
  Value *x = real(g, "x", "bsh"), *y = real(g, "y", "bsh");
  return add({x, y, real(g, "z", "bsh"), y});
}

Value* layer_norm_case(Graph& g) {
  return layer_norm(real(g, "x", "bsh"), weight(g, "w", "h"), weight(g, "b", "h"), 1e-5);
}

}  // namespace

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  const auto add_cases = [&](const std::string& name, const Build& build, const std::vector<Extents>& table) {
    for (const Extents& extents : table) {
      std::string text = name;
      for (const auto& [dim, extent] : extents) text += " " + dim.text() + "=" + std::to_string(extent);
      cases.push_back({text, extents, build});
    }
  };
  constexpr Name b{'b'}, s{'s'}, h{'h'}, t{'t'}, n{'n'}, d{'d'}, f{'f'}, p{'p'}, v{'v'}, c{'c'}, i{'i'}, y{'y'}, x{'x'},
      k{'k'};
  const std::vector<Extents> bsh{{{b, 2}, {s, 3}, {h, 4}}, {{b, 1}, {s, 1}, {h, 7}}, {{b, 3}, {s, 5}, {h, 33}}};
  const std::vector<Extents> bshf{
      {{b, 2}, {s, 3}, {h, 4}, {f, 6}}, {{b, 1}, {s, 1}, {h, 7}, {f, 5}}, {{b, 2}, {s, 5}, {h, 9}, {f, 40}}};
  const std::vector<Extents> bshtnd{{{b, 2}, {s, 3}, {h, 4}, {t, 3}, {n, 2}, {d, 2}},
                                    {{b, 1}, {s, 1}, {h, 7}, {t, 3}, {n, 1}, {d, 7}}};
  const std::vector<Extents> bstnd{{{b, 2}, {s, 4}, {t, 3}, {n, 3}, {d, 4}},
                                   {{b, 1}, {s, 1}, {t, 3}, {n, 1}, {d, 7}},
                                   {{b, 1}, {s, 9}, {t, 3}, {n, 2}, {d, 3}}};
  const std::vector<Extents> bc{{{b, 5}, {c, 10}}, {{b, 1}, {c, 7}}, {{b, 3}, {c, 2}}};

  add_cases("linear", linear_layer("bsh", "hf", "f"), bshf);
  add_cases("linear to heads", linear_layer("bsh", "htnd", "tnd"), bshtnd);
  add_cases("linear from heads", linear_layer("bsnd", "ndh", "h"), bshtnd);
  add_cases("tied head", linear_layer("bsh", "vh", ""), {{{b, 2}, {s, 3}, {h, 4}, {v, 11}}});
  add_cases("class head", linear_layer("bh", "hc", "c"), {{{b, 3}, {h, 8}, {c, 10}}, {{b, 1}, {h, 7}, {c, 3}}});
  add_cases("batched product", product("bsnd", "bpnd", "bnsp"),
            {{{b, 2}, {s, 3}, {n, 2}, {d, 5}, {p, 4}}, {{b, 1}, {s, 1}, {n, 3}, {d, 7}, {p, 1}}});
  add_cases("product in another order", product("hs", "bh", "sb"), bsh);

  add_cases("add", add_case, bsh);
  add_cases("add of many",
            [](Graph& g) {
              std::vector<Value*> terms;
              for (int term = 0; term < 70; ++term) terms.push_back(weight(g, "x" + std::to_string(term), "h"));
              return add(terms);
            },
            {{{h, 7}}});
  add_cases(
      "bias of positions", [](Graph& g) { return bias(real(g, "x", "bsh"), real(g, "w", "sh")); }, bsh);
  add_cases(
      "bias per sample", [](Graph& g) { return bias(real(g, "x", "bsh"), real(g, "w", "hb")); }, bsh);
  for (const char* kind : {"gelu", "gelu_tanh", "relu", "tanh"}) add_cases(kind, activation_of(kind), bsh);
  add_cases(
      "dropout", [](Graph& g) { return dropout(real(g, "x", "bsh"), 0.3); }, bsh);
  add_cases(
      "drop path", [](Graph& g) { return drop_path(real(g, "x", "bsh"), 0.4); }, bsh);
  add_cases(
      "cast",
      [](Graph& g) {
        return g.apply_one("cast", {weight(g, "x", "bsh")}, {{"type", std::string(name_of(g.activation()))}});
      },
      bsh);
  add_cases("sum", only([](Graph& g) { sum_to(real(g, "x", "bsh"), "hb"); }), bsh);
  add_cases("sum of squares", only([](Graph& g) { g.apply("sum_squares", {weight(g, "x", "bsh")}); }), bsh);
  add_cases("layer norm", layer_norm_case, bsh);

  add_cases("embedding",
            [](Graph& g) {
              return g.apply_one("embedding", {integers(g, "ids", "bs"), real(g, "table", "vh")});
            },
            {{{b, 2}, {s, 6}, {v, 5}, {h, 4}}, {{b, 1}, {s, 1}, {v, 7}, {h, 7}}});
  add_cases("positions",
            [](Graph& g) {
              return g.apply_one("add_positions", {real(g, "x", "bsh"), real(g, "table", "ph")});
            },
            {{{b, 2}, {s, 3}, {p, 3}, {h, 4}}, {{b, 1}, {s, 1}, {p, 2}, {h, 7}}, {{b, 3}, {s, 5}, {p, 9}, {h, 33}}});
  const auto patchify = [](std::int64_t patch) {
    return only([=](Graph& g) { g.apply("patchify", {real(g, "image", "biyx")}, {{"patch", patch}}); });
  };
  add_cases("patchify", patchify(2),
            {{{b, 2}, {i, 3}, {y, 4}, {x, 6}, {s, 7}, {k, 12}}, {{b, 1}, {i, 1}, {y, 2}, {x, 2}, {s, 2}, {k, 4}}});
  add_cases("patchify", patchify(8), {{{b, 2}, {i, 3}, {y, 16}, {x, 24}, {s, 7}, {k, 192}}});
  add_cases(
      "set token",
      [](Graph& g) {
        return g.apply_one("set_token", {real(g, "x", "bsh"), real(g, "token", "h")});
      },
      bsh);
  add_cases(
      "select token", [](Graph& g) { return g.apply_one("select_token", {real(g, "x", "bsh")}); }, bsh);

  add_cases("attention", attention_with(false, 0), bstnd);
  add_cases("causal attention", attention_with(true, 0), bstnd);
  add_cases("attention with dropout", attention_with(false, 0.25), bstnd);
  add_cases("causal attention with dropout", attention_with(true, 0.25), bstnd);

  add_cases("cross-entropy", classes("bc", 0), bc);
  add_cases("cross-entropy with smoothing", classes("bc", 0.1), bc);
  add_cases("cross-entropy of tokens", classes("bsv", 0.1), {{{b, 2}, {s, 3}, {v, 7}}, {{b, 1}, {s, 1}, {v, 9}}});
  add_cases("mean squared error", mean_square_case, {{{b, 4}, {h, 5}}, {{b, 1}, {h, 7}}});
  add_cases("correct", only([](Graph& g) { correct_count(real(g, "x", "bc"), integers(g, "labels", "b")); }), bc);

  const std::vector<Extents> hf{{{h, 4}, {f, 6}}, {{h, 1}, {f, 7}}};
  add_cases("sgd", sgd(false), hf);
  add_cases("sgd with momentum", sgd(true), hf);
  add_cases("adam", adam(false), hf);
  add_cases("adamw", adam(true), hf);
  return cases;
}

std::vector<FusedCase> product_cases(const Extents& extents) {
  std::vector<FusedCase> cases;
  for (const Names weight : {"hf", "fh"}) {
    cases.push_back({"linear", extents, {"bsh", weight, "f"}, {"bsf"}});
    cases.push_back({"linear_residual", extents, {"bsh", weight, "f", "bsf"}, {"bsf"}, {3}});
    cases.push_back({"linear_gelu", extents, {"bsh", weight, "f"}, {"bsf", "bsf"}});
    cases.push_back({"linear_gelu", extents, {weight, "bsh", "f"}, {"bsf"}});
    cases.push_back({"matmul_gelu_grad", extents, {"bsf", weight, "bsh"}, {"bsh"}});
    cases.push_back({"linear_grad_weight", extents, {"bsh", "bsf"}, {weight, "f"}});
    cases.push_back({"linear_grad_weight", extents, {"bsf", "bsh"}, {weight, "f"}});
  }
  return cases;
}

std::vector<FusedCase> fused_cases() {
  std::vector<FusedCase> cases;
  constexpr Name b{'b'}, s{'s'}, h{'h'}, f{'f'};
  for (const Extents& extents : std::vector<Extents>{{{b, 5}, {s, 37}, {h, 70}, {f, 131}},
                                                     {{b, 1}, {s, 1}, {h, 7}, {f, 5}},
                                                     {{b, 5}, {s, 5}, {h, 768}, {f, 8}},
                                                     {{b, 1}, {s, 3}, {h, 1536}, {f, 3}},
                                                     {{b, 2}, {s, 2}, {h, 2304}, {f, 3}},
                                                     {{b, 1}, {s, 3}, {h, 8448}, {f, 3}}}) {
    if (extents.at(h) <= 768)
      for (const FusedCase& product : product_cases(extents)) cases.push_back(product);
    cases.push_back({"layer_norm_fused", extents, {"bsh", "h", "h"}, {"bsh", "bs", "bs"}, {0}});
    cases.push_back(
        {"layer_norm_fused", extents, {"bsh", "h", "h", "bsh"}, {"bsh", "bs", "bs", "bsh"}, {0, 3}, 3});  // a residual
    cases.push_back({"layer_norm_grad_fused", extents, {"bsh", "bsh", "bs", "bs", "h"}, {"bsh", "h", "h"}, {0}});
    cases.push_back(
        {"layer_norm_grad_fused", extents, {"bsh", "bsh", "bs", "bs", "h", "bsh"}, {"bsh", "h", "h"}, {0, 5}});
  }
  return cases;
}

LocalNode FusedCase::node(DType real) const {
  LocalNode node;
  node.op = node.name = op;
  node.attributes = {{"epsilon", 1e-5}, {"kind", std::string("gelu_tanh")}};
  node.extents = extents;
  for (const auto& [name, extent] : extents) node.segments[name] = whole(extent);
  // In mixed precision what has no rows, or one number a row, and belongs to a layer norm is fp32, and so is what is
  // summed over rows.
  const bool is_product = !op.starts_with("layer_norm"), sums_rows = outputs[0].size() < 3;
  const auto operand = [&](const Names& dims, bool is_narrow) {
    const bool is_wide = size_of(real) == 2 && !is_narrow && dims.size() < 3;
    return Operand{dims, is_wide ? DType::f32 : real, local_shape(dims, extents, {})};
  };
  for (const Names& dims : inputs) node.inputs.push_back(operand(dims, is_product));
  for (const Names& dims : outputs) node.outputs.push_back(operand(dims, is_product && !sums_rows));
  return node;
}

std::vector<Tensor> FusedCase::numbers() const {
  std::vector<Tensor> result;
  for (const Operand& operand : node(DType::f64).inputs) {
    const std::uint64_t key = random_key(3, op + std::to_string(result.size()));
    const double scale = operand.dims == Names("bs") ? static_cast<double>(extents.at({'h'})) : 1;  // a sum over h
    const double least = op.starts_with("layer_norm") ? 0.5 : -0.5;                                 // GELU is to bend
    Tensor& tensor = result.emplace_back();
    for (std::int64_t i = 0; i < operand.elements(); ++i)
      tensor.push_back(scale * (random_uniform(key, static_cast<std::uint64_t>(i)) + least));
  }
  return result;
}

CaseGraph::CaseGraph(const OpCase& op_case, const Precision& precision) : graph(precision) {
  for (const auto& [name, extent] : op_case.extents) graph.set_extent(name, extent);
  root = op_case.build(graph);
  for (const auto* values : {&graph.parameters(), &graph.states(), &graph.inputs()})
    for (const Value* value : *values) give(value);
}

void CaseGraph::differentiate() {
  if (root == nullptr) return;
  if (root->producer->fused_gradients.empty()) {
    seed = graph.input("seed", root->dims, root->dtype);
    give(seed);
  }
  gradients = backward(graph, root, seed);
}

void CaseGraph::give(const Value* value) {
  const std::uint64_t key = random_key(5, value->name);
  const auto& extents = graph.extents();
  Tensor& tensor = given[value];
  for (std::int64_t j = 0; j < graph.elements(value->dims); ++j) {
    const auto index = static_cast<std::uint64_t>(j);
    if (value->dtype == DType::i32) {
      const auto known = extents.contains({'v'}) ? extents.at({'v'}) : extents.contains({'c'}) ? extents.at({'c'}) : 2;
      const auto drawn = static_cast<double>(random_below(key, index, static_cast<std::uint64_t>(known) + 1));
      tensor.push_back(j == 0 ? 0 : drawn - 1);
    } else {
      const double drawn = random_uniform(key, index);
      tensor.push_back(value->kind == Value::Kind::state ? drawn : 2 * drawn - 1);
    }
  }
}

}  // namespace ctrain::testing
