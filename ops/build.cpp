#include "ops/build.h"

#include "memory/error.h"

namespace ctrain {

Value* linear(Value* x, Value* weight, Value* b) {
  Names output;
  for (const Value* operand : {x, weight}) {
    const Value* other = operand == x ? weight : x;
    for (const Name name : operand->dims)
      if (!other->dims.contains(name)) output.push_back(name);
  }
  Value* y = x->graph->apply_one("matmul", {x, weight}, {{"output", output.text()}});
  return b == nullptr ? y : bias(y, b);
}

Value* add(const std::vector<Value*>& terms) {
  return terms.size() == 1 ? terms[0] : terms[0]->graph->apply_one("add", terms);
}

Value* bias(Value* x, Value* b) { return x->graph->apply_one("bias", {x, b}); }

Value* activation(Value* x, const std::string& kind) {
  return x->graph->apply_one("activation", {x}, {{"kind", kind}});
}

Value* sum_to(Value* x, const Names& dims) {
  return x->dims == dims ? x : x->graph->apply_one("sum", {x}, {{"output", dims.text()}});
}

namespace {

Value* drop(Value* x, double rate, const Names& over, const std::string& what) {
  if (rate == 0) return x;
  const std::string key = x->graph->unique_name(what);
  return x->graph->apply_one("dropout", {x}, {{"rate", rate}, {"over", over.text()}, {"key", key}});
}

}  // namespace

Value* dropout(Value* x, double rate) { return drop(x, rate, x->dims, "dropout_mask"); }
Value* drop_path(Value* x, double rate) { return drop(x, rate, "b", "drop_path_mask"); }

Value* layer_norm(Value* x, Value* weight, Value* b, double epsilon) {
  Graph& graph = *x->graph;
  Value* sum = graph.apply_one("layer_norm_sum", {x});
  Value* squares = graph.apply_one("layer_norm_squares", {x, sum});
  return graph.apply_one("layer_norm", {x, sum, squares, weight, b}, {{"epsilon", epsilon}});
}

Value* attention(Value* qkv, bool causal, double dropout_rate) {
  const std::string key = qkv->graph->unique_name("attention_dropout");
  return qkv->graph->apply_one("attention", {qkv},
                               {{"causal", std::int64_t{causal}}, {"rate", dropout_rate}, {"key", key}});
}

Value* label_count(Value* labels) { return labels->graph->apply_one("label_count", {labels}); }

Value* cross_entropy(Value* logits, Value* labels, Value* count, double smoothing) {
  Graph& graph = *logits->graph;
  const Attributes attributes{{"smoothing", smoothing}};
  Value* max = graph.apply_one("class_max", {logits});
  Value* sum_exp = graph.apply_one("class_sum_exp", {logits, max});
  Value* target = graph.apply_one("class_target", {logits, labels}, attributes);
  Value* nll = graph.apply_one("class_nll", {max, sum_exp, target, labels});
  Value* loss = graph.apply_one("divide", {sum_to(nll, {}), count});
  loss->producer->fused_gradients.push_back(
      {logits, [=, &graph] {
         return graph.apply_one("cross_entropy_grad", {logits, max, sum_exp, labels, count}, attributes);
       }});
  return loss;
}

Value* mean_squared_error(Value* x, Value* y, Value* labels, Value* count) {
  Graph& graph = *x->graph;
  const Attributes attributes{};
  Value* error = graph.apply_one("squared_error", {x, y, labels}, attributes);
  Value* loss = graph.apply_one("divide", {sum_to(error, {}), count});
  loss->producer->fused_gradients.push_back(
      {x, [=, &graph] {
         return graph.apply_one("squared_error_grad", {x, y, labels, count}, attributes);
       }});
  return loss;
}

Value* correct_count(Value* logits, Value* labels) {
  Graph& graph = *logits->graph;
  Value* place = graph.apply_one("class_place", {logits, graph.apply_one("class_max", {logits})});
  return sum_to(graph.apply_one("correct", {place, labels}), {});
}

}  // namespace ctrain
