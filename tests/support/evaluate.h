// For tests: evaluates a graph, or one node of it, on one rank and without any plan. Everything goes in and comes out
// in double; between, it is rounded to the element type that the kernels compute in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "memory/allocation_counter.h"
#include "memory/error.h"
#include "ops/graph.h"
#include "ops/kernel.h"
#include "ops/op.h"
#include "tests/support/blocks.h"

namespace ctrain::testing {

// What is evaluated with, and at which point of training.
struct Evaluation {
  Backend backend = Backend::reference;
  DType real = DType::f64;
  std::uint64_t seed = 17;
  StepState state{.step = 3, .learning_rate = 0.1};
};

// 64-byte aligned memory of exactly this size, filled with a pattern that makes an unwritten number stand out (NaN).
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : bytes_(static_cast<std::byte*>(::operator new(bytes, alignment)), release) {
    std::memset(bytes_.get(), 0xff, bytes);
  }
  [[nodiscard]] void* data() const { return bytes_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  static void release(std::byte* bytes) { ::operator delete(bytes, alignment); }
  std::unique_ptr<std::byte, void (*)(std::byte*)> bytes_;
};

template <typename T>
void store(const Tensor& tensor, const Buffer& buffer) {
  for (std::size_t i = 0; i < tensor.size(); ++i) static_cast<T*>(buffer.data())[i] = static_cast<T>(tensor[i]);
}

inline void write(const Operand& operand, const Tensor& tensor, const Buffer& buffer) {
  require(static_cast<std::int64_t>(tensor.size()) == operand.elements(), "{} numbers for {} elements {}",
          tensor.size(), operand.elements(), operand.dims.text());
  if (operand.dtype == DType::f32) store<float>(tensor, buffer);
  if (operand.dtype == DType::f64) store<double>(tensor, buffer);
  if (operand.dtype == DType::i32) store<std::int32_t>(tensor, buffer);
}

inline Tensor read(const Operand& operand, const Buffer& buffer) {
  const auto load = [&]<typename T>(const T* data) { return Tensor(data, data + operand.elements()); };
  if (operand.dtype == DType::f32) return load(static_cast<const float*>(buffer.data()));
  if (operand.dtype == DType::f64) return load(static_cast<const double*>(buffer.data()));
  return load(static_cast<const std::int32_t*>(buffer.data()));
}

inline LocalNode local_node(const Node& node, const Evaluation& how, const Block& block = {}) {
  const Extents& extents = node.outputs[0]->graph->extents();
  LocalNode local;
  local.op = node.op->name;
  local.name = node.name;
  local.attributes = node.attributes;
  local.seed = how.seed;
  const auto add = [&](const std::vector<Value*>& values, std::vector<Operand>& operands) {
    for (const Value* value : values) {
      const DType dtype = value->dtype == DType::i32 ? DType::i32 : how.real;
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
  NodeRunner(const LocalNode& local, const std::vector<int>& in_place, const Evaluation& how)
      : local_(local),
        state_(how.state),
        kernel_(KernelTable::instance().make(how.backend, local)),
        workspace_(kernel_.workspace) {
    const auto allocate = [](const Operand& operand) {
      return std::make_shared<Buffer>(static_cast<std::size_t>(operand.elements()) * size_of(operand.dtype));
    };
    for (const Operand& operand : local_.inputs) inputs_.push_back(allocate(operand));
    for (std::size_t i = 0; i < local_.outputs.size(); ++i)
      outputs_.push_back(i < in_place.size() ? inputs_[static_cast<std::size_t>(in_place[i])]
                                             : allocate(local_.outputs[i]));
    for (const auto& buffer : inputs_) input_pointers_.push_back(buffer->data());
    for (const auto& buffer : outputs_) output_pointers_.push_back(buffer->data());
  }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i) write(local_.inputs[i], inputs[i], *inputs_[i]);
    const std::int64_t before = allocation_count().own_calls;
    kernel_.run({input_pointers_, output_pointers_, workspace_.data(), &state_});
    allocations_ = allocation_count().own_calls - before;
    std::vector<Tensor> outputs;
    for (std::size_t i = 0; i < outputs_.size(); ++i) outputs.push_back(read(local_.outputs[i], *outputs_[i]));
    return outputs;
  }

  void set_output(std::size_t i, const Tensor& tensor) { write(local_.outputs[i], tensor, *outputs_[i]); }
  [[nodiscard]] std::int64_t allocations() const { return allocations_; }  // of the last run of the kernel

 private:
  LocalNode local_;
  StepState state_;
  Kernel kernel_;
  Buffer workspace_;
  std::vector<std::shared_ptr<Buffer>> inputs_, outputs_;
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
