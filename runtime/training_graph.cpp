#include "runtime/training_graph.h"

#include "memory/error.h"
#include "ops/build.h"
#include "runtime/gradient_handler.h"

namespace ctrain {
namespace {

void append_update(Graph& graph, Value* parameter, Value* gradient, const OptimizerOptions& options) {
  const std::string& name = parameter->name;
  if (options.kind == OptimizerOptions::Kind::sgd) {
    std::vector<Value*> operands{parameter, gradient};
    if (options.momentum != 0) operands.push_back(graph.state(name + ".momentum_buffer", parameter));
    graph.apply("sgd_update", operands, {{"momentum", options.momentum}, {"decay", options.weight_decay}});
    return;
  }
  Value *first = graph.state(name + ".exp_avg", parameter), *second = graph.state(name + ".exp_avg_sq", parameter);
  graph.apply("adam_update", {parameter, gradient, first, second},
              {{"beta1", options.beta1},
               {"beta2", options.beta2},
               {"epsilon", options.epsilon},
               {"decay", options.weight_decay},
               {"decoupled", std::int64_t{options.decoupled}}});
}

}  // namespace

std::int64_t SampleShape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : extents) product *= extent;
  return product;
}

std::vector<Value*> StepGraph::metrics() const {
  std::vector<Value*> result{loss, count};
  if (correct != nullptr) result.push_back(correct);
  if (gradient_squares != nullptr) result.push_back(gradient_squares);
  return result;
}

StepGraph build_step(const Model& model, const ModelOptions& options, std::int64_t global_batch,
                     const Precision& precision, const LossOptions& loss, const OptimizerOptions& optimizer,
                     const std::vector<Setting>& gradient_handlers) {
  StepGraph step;
  step.graph = std::make_unique<Graph>(precision);
  step.ignore_index = loss.ignore_index;
  Graph& graph = *step.graph;
  graph.set_extent({'b'}, global_batch);
  Value* output = model.build(graph, options);
  graph.set_scope("");

  Value* labels = graph.input("labels", output->dims.contains({'s'}) ? "bs" : "b", DType::i32);
  step.count = label_count(labels);
  if (loss.kind == LossOptions::Kind::cross_entropy) {
    step.loss = cross_entropy(output, labels, step.count, options.training ? loss.label_smoothing : 0);
    step.correct = correct_count(output, labels);
  } else {
    Value* targets = graph.input("targets", output->dims, graph.real());
    step.loss = mean_squared_error(output, targets, labels, step.count);
  }
  if (!options.training) return step;

  step.gradients = backward(graph, step.loss);
  std::vector<Value*> squares;
  for (Value* parameter : graph.parameters()) {
    Value*& gradient = step.gradients.at(parameter);
    graph.set_scope(parameter->name);
    graph.set_block(parameter->block);
    gradient = handle_gradient(gradient_handlers, parameter, gradient);
    squares.push_back(graph.apply_one("sum_squares", {gradient}));
  }
  graph.set_scope("");
  step.gradient_squares = add(squares);
  for (Value* parameter : graph.parameters()) {
    graph.set_block(parameter->block);
    append_update(graph, parameter, step.gradients.at(parameter), optimizer);
  }
  return step;
}

}  // namespace ctrain
