// For tests: evaluates a graph, or one node of it, on one rank and without any plan. Everything goes in and comes out
// in double; between, it is rounded to the element type that the kernels compute in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "memory/allocation_counter.h"
#include "ops/graph.h"
#include "ops/kernel.h"
#include "ops/op.h"
#include "tests/support/blocks.h"
#include "tests/support/operand_memory.h"

namespace ctrain::testing {

// What is evaluated with, and at which point of training. A graph of mixed precision keeps its types where it is
// evaluated in its shorter one.
struct Evaluation {
  Backend backend = Backend::reference;
  DType real = DType::f64;
  std::uint64_t seed = 17;
  StepState state{.step = 3, .learning_rate = 0.1};
};

inline LocalNode local_node(const Node& node, const Evaluation& how, const Block& block = {}) {
  const Extents& extents = node.outputs[0]->graph->extents();
  LocalNode local;
  local.op = node.op->name;
  local.name = node.name;
  local.attributes = node.attributes;
  local.seed = how.seed;
  const auto add = [&](const std::vector<Value*>& values, std::vector<Operand>& operands) {
    for (const Value* value : values) {
      const bool keeps = !is_real(value->dtype) || (how.real == value->graph->activation() && size_of(how.real) == 2);
      const DType dtype = keeps ? value->dtype : how.real;
      operands.push_back({value->dims, dtype, local_shape(value->dims, extents, block)});
      for (const Name name : value->dims) {
        local.extents[name] = extents.at(name);
        local.segments[name] = block.contains(name) ? block.at(name) : whole(extents.at(name));
      }
    }
  };
  add(node.inputs, local.inputs);
  add(node.outputs, local.outputs);
  return local;
}

// One node, whole or a block of it, with memory of its own.
class NodeRunner {
 public:
  NodeRunner(const Node& node, const Evaluation& how, const Block& block = {})
      : NodeRunner(local_node(node, how, block), node.op->in_place, how) {}
  // in_place: the operands that outputs overwrite, from the first output on; -1: none.
  NodeRunner(const LocalNode& local, const std::vector<int>& in_place, const Evaluation& how)
      : device_(device_of(how.backend)),
        stream_(device_.make_stream()),
        kernel_(KernelTable::instance().make(how.backend, local)),
        workspace_(device_, kernel_.workspace),
        state_(device_, sizeof(StepState)) {
    device_.upload(state_.data(), &how.state, sizeof(StepState), *stream_);
    for (const Operand& operand : local.inputs)
      inputs_.push_back(std::make_shared<OperandMemory>(operand, device_, *stream_));
    for (std::size_t i = 0; i < local.outputs.size(); ++i)
      outputs_.push_back(i < in_place.size() && in_place[i] >= 0
                             ? inputs_[static_cast<std::size_t>(in_place[i])]
                             : std::make_shared<OperandMemory>(local.outputs[i], device_, *stream_));
    for (const auto& memory : inputs_) input_pointers_.push_back(memory->data());
    for (const auto& memory : outputs_) output_pointers_.push_back(memory->data());
  }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs_[i]->write(inputs[i]);
    const std::int64_t before = allocation_count().own_calls;
    kernel_.run({input_pointers_, output_pointers_, workspace_.data(),
                 reinterpret_cast<const StepState*>(state_.data()), stream_->native()});
    allocations_ = allocation_count().own_calls - before;
    std::vector<Tensor> outputs;
    for (const auto& memory : outputs_) outputs.push_back(memory->read());
    return outputs;
  }

  void set_output(std::size_t i, const Tensor& tensor) { outputs_[i]->write(tensor); }
  [[nodiscard]] std::int64_t allocations() const { return allocations_; }  // of the last run of the kernel

 private:
  Device& device_;
  std::unique_ptr<Stream> stream_;
  Kernel kernel_;
  Buffer workspace_, state_;
  std::vector<std::shared_ptr<OperandMemory>> inputs_, outputs_;
  std::vector<void*> input_pointers_, output_pointers_;
  std::int64_t allocations_ = 0;
};

using Tensors = std::map<const Value*, Tensor>;

// The nodes that a graph has when this is made, ready to run any number of times.
class Evaluator {
 public:
  explicit Evaluator(const Graph& graph, const Evaluation& how = {}) {
    for (const Node& node : graph.nodes()) nodes_.emplace_back(&node, NodeRunner(node, how));
  }

  // Values of parameters, states and inputs -> these and all computed values.
  Tensors run(Tensors values) {
    for (auto& [node, runner] : nodes_) {
      std::vector<Tensor> inputs;
      for (const Value* input : node->inputs) inputs.push_back(values.at(input));
      std::vector<Tensor> outputs = runner.run(inputs);
      for (std::size_t i = 0; i < outputs.size(); ++i) values[node->outputs[i]] = std::move(outputs[i]);
    }
    return values;
  }

 private:
  std::vector<std::pair<const Node*, NodeRunner>> nodes_;
};

inline Tensors evaluate(const Graph& graph, const Tensors& given, const Evaluation& how = {}) {
  return Evaluator(graph, how).run(given);
}

}  // namespace ctrain::testing
