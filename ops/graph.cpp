#include "ops/graph.h"

#include <algorithm>

#include "memory/error.h"
#include "ops/op.h"
#include "ops/passes/precision.h"

namespace ctrain {
namespace {

template <typename T>
const T& attribute(const std::map<std::string, Attributes::Attribute>& items, const std::string& key) {
  const auto it = items.find(key);
  require(it != items.end() && std::holds_alternative<T>(it->second), "attribute '{}' is missing or of another type",
          key);
  return std::get<T>(it->second);
}

}  // namespace

std::int64_t Attributes::integer(const std::string& key) const { return attribute<std::int64_t>(items_, key); }
double Attributes::real(const std::string& key) const { return attribute<double>(items_, key); }
const std::string& Attributes::text(const std::string& key) const { return attribute<std::string>(items_, key); }

bool Value::is_copy_of_parameter() const {
  return like != nullptr && producer != nullptr && producer->inputs[0] == like && producer->op->name == "cast";
}

double Node::flops() const {
  if (!op->flops) return 0;
  Extents extents;
  for (const Value* input : inputs)
    for (const Name dim : input->dims) extents[dim] = input->graph->extent(dim);
  return op->flops(extents, attributes);
}

std::string Node::scope() const {
  const std::size_t end = name.rfind('.');
  return end == std::string::npos ? "" : name.substr(0, end);
}

void Graph::set_extent(Name name, std::int64_t extent) {
  require(extent > 0, "dimension {} has extent {}", name.text(), extent);
  const auto [it, fresh] = extents_.emplace(name, extent);
  require(fresh || it->second == extent, "dimension {} is {} and {}", name.text(), it->second, extent);
}

std::int64_t Graph::extent(Name name) const {
  const auto it = extents_.find(name);
  require(it != extents_.end(), "dimension {} has no extent", name.text());
  return it->second;
}

std::int64_t Graph::elements(const Names& dims) const {
  std::int64_t product = 1;
  for (const Name name : dims) product *= extent(name);
  return product;
}

Value* Graph::new_value(Value::Kind kind, const Names& dims, DType dtype, const std::string& name) {
  Value& value = values_.emplace_back();
  value.id = static_cast<int>(values_.size()) - 1;
  value.kind = kind;
  value.dtype = dtype;
  value.dims = dims;
  value.name = name;
  value.graph = this;
  value.block = block_;
  return &value;
}

Value* Graph::parameter(const std::string& name, const Names& dims, ParameterRole role, Initializer initializer) {
  Value* value = new_value(Value::Kind::parameter, dims, real(), name);
  value->role = role;
  value->initializer = initializer;
  value->spread = dims.back();
  value->form.order = dims;
  for (const Name dim : dims) value->form.shape.push_back(extent(dim));
  parameters_.push_back(value);
  return value;
}

Value* Graph::state(const std::string& name, const Value* like) {
  Value* value = new_value(Value::Kind::state, like->dims, real(), name);
  value->like = like;
  states_.push_back(value);
  return value;
}

Value* Graph::input(const std::string& name, const Names& dims, DType dtype) {
  Value* value = new_value(Value::Kind::input, dims, dtype, name);
  inputs_.push_back(value);
  return value;
}

void Graph::set_block(int block) {
  require(block >= 0, "a block has number {}", block);
  block_ = block;
  blocks_ = std::max(blocks_, block + 1);
}

std::string Graph::unique_name(const std::string& what) {
  const std::string name = scope_.empty() ? what : scope_ + "." + what;
  const int uses = names_used_[name]++;
  return uses == 0 ? name : name + "_" + std::to_string(uses);
}

std::vector<Value*> Graph::apply(const std::string& op, const std::vector<Value*>& inputs,
                                 const Attributes& attributes) {
  const auto& definition = Registry<OpDefinition>::instance().get(op);
  for (const Value* value : inputs)
    require(value != nullptr && value->graph == this, "{}: an operand of another graph", op);
  const std::vector<Value*> operands = operands_of(definition, inputs);
  Node& node = nodes_.emplace_back();
  node.op = &definition;
  node.inputs = operands;
  node.attributes = attributes;
  node.name = unique_name(op);
  node.block = block_;
  for (const OutputSpec& spec : definition.infer(operands, attributes)) {
    Value* value = new_value(Value::Kind::computed, spec.dims, spec.dtype, node.name);
    value->producer = &node;
    node.outputs.push_back(value);
  }
  return node.outputs;
}

Value* Graph::cast(Value* value, DType type) {
  if (value->dtype == type) return value;
  Value*& copy = casts_[{value, type}];
  if (copy == nullptr) {
    copy = apply_one("cast", {value}, {{"type", std::string(name_of(type))}});
    copy->like = value->kind == Value::Kind::parameter ? value : value->like;
  }
  return copy;
}

Value* Graph::apply_one(const std::string& op, const std::vector<Value*>& inputs, const Attributes& attributes) {
  return apply(op, inputs, attributes).front();
}

}  // namespace ctrain
