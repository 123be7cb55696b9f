// The logical graph: one device, global shapes. Models are written in it once; autodiff appends the backward pass and
// the optimizer's updates to the same list of nodes; the partition pass (parallel/partition.h) makes it local.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "ops/dtype.h"
#include "ops/names.h"

namespace ctrain {

using Extents = std::map<Name, std::int64_t>;  // of dimensions, in elements

class Graph;
struct Node;
struct OpDefinition;

// How an op's constants are given: a rate, a token index, an output signature.
class Attributes {
 public:
  using Attribute = std::variant<std::int64_t, double, std::string>;
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, Attribute>> items) : items_(items) {}
  [[nodiscard]] std::int64_t integer(const std::string& key) const;
  [[nodiscard]] double real(const std::string& key) const;
  [[nodiscard]] const std::string& text(const std::string& key) const;
  [[nodiscard]] const std::map<std::string, Attribute>& items() const { return items_; }

 private:
  std::map<std::string, Attribute> items_;
};

// How a parameter is stored when a mode has an axis to spare, and which rule of a mode it falls under.
enum class ParameterRole {
  linear,     // a weight of a product
  vector,     // a linear bias, a layer norm's weight or bias
  embedding,  // patch, class token, position, small classifier
};

struct Initializer {
  enum class Kind { constant, uniform, normal, truncated_normal };
  Kind kind = Kind::constant;
  double value =
      0;  // constant: the value; uniform: the bound; normal, truncated normal (at two deviations): the deviation
};

// What a checkpoint shows of a parameter: the shape and the order of dimensions of the public model.
struct PublicForm {
  Names order;  // our dimensions in the file's order, e.g. "tndh" of a weight that we keep as "htnd"
  std::vector<std::int64_t> shape;  // the file's shape, e.g. [3h, h]
};

struct Value {
  enum class Kind {
    parameter,  // trained; lives in its stored layout
    state,      // of the optimizer; starts at zero; laid out as `like`
    input,      // fed by the data loader, in whatever layout its readers want
    computed,
  };
  int id = 0;
  Kind kind = Kind::computed;
  DType dtype = DType::f32;
  Names dims;
  std::string name;             // of parameters, states and inputs; of others for people
  const Value* like = nullptr;  // the parameter whose stored layout this value (its gradient, state or copy) shares
  Node* producer = nullptr;     // of computed values
  Graph* graph = nullptr;
  int block = 0;  // of the model; see Graph::set_block
  // parameters only
  ParameterRole role = ParameterRole::linear;
  Initializer initializer;  // of inputs too that no loader brings
  Name spread;              // the dimension that takes a mode's extra axes (the output dimension of a weight)
  PublicForm form;
  // inputs only: autodiff is asked for this input's gradient (tests, and stages of a pipeline)
  bool wants_gradient = false;
  [[nodiscard]] bool is_copy_of_parameter() const;  // made by a cast (ops/passes/precision.h)
};

// Gradients of a loss that is fused with its own backward pass: given dy of the loss (nullptr: 1), the gradient of
// `of`.
struct FusedGradient {
  Value* of = nullptr;
  std::function<Value*()> build;
};

struct Node {
  const OpDefinition* op = nullptr;
  std::vector<Value*> inputs, outputs;
  Attributes attributes;
  std::string name;  // unique; for people
  int block = 0;     // of the model; see Graph::set_block
  std::vector<FusedGradient> fused_gradients;
  [[nodiscard]] double flops() const;       // multiplications and additions over global shapes; 0: not counted
  [[nodiscard]] std::string scope() const;  // the part of its name that was set as scope
};

// The type of parameters, optimizer states, statistics, losses and gradients of parameters; and that of activations and
// their gradients, which is shorter in mixed precision (ops/passes/precision.h).
struct Precision {
  Precision(DType both = DType::f32) : Precision(both, both) {}  // NOLINT: a type alone is a precision
  Precision(DType real_type, DType activation_type) : real(real_type), activation(activation_type) {}
  DType real, activation;
};

class Graph {
 public:
  explicit Graph(const Precision& precision = {}) : precision_(precision) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Extents of the dimensions: set before use; a second, different value is an error.
  void set_extent(Name name, std::int64_t extent);
  [[nodiscard]] std::int64_t extent(Name name) const;
  [[nodiscard]] const Extents& extents() const { return extents_; }
  [[nodiscard]] std::int64_t elements(const Names& dims) const;

  [[nodiscard]] DType real() const { return precision_.real; }
  [[nodiscard]] DType activation() const { return precision_.activation; }

  Value* parameter(const std::string& name, const Names& dims, ParameterRole role, Initializer initializer);
  Value* state(const std::string& name, const Value* like);
  Value* input(const std::string& name, const Names& dims, DType dtype);

  // Appends a node; its outputs' dimensions follow from the op's shape rule.
  std::vector<Value*> apply(const std::string& op, const std::vector<Value*>& inputs,
                            const Attributes& attributes = {});
  Value* apply_one(const std::string& op, const std::vector<Value*>& inputs, const Attributes& attributes = {});

  // The value in this type: itself, or the output of the one `cast` of it.
  Value* cast(Value* value, DType type);

  // The nodes before this one are the forward pass; 0 until backward() was called.
  [[nodiscard]] std::size_t first_backward() const { return first_backward_; }
  void mark_backward() { first_backward_ = nodes_.size(); }

  [[nodiscard]] const std::deque<Node>& nodes() const { return nodes_; }
  [[nodiscard]] std::deque<Node>& nodes() { return nodes_; }
  [[nodiscard]] const std::vector<Value*>& parameters() const { return parameters_; }
  [[nodiscard]] const std::vector<Value*>& states() const { return states_; }
  [[nodiscard]] const std::vector<Value*>& inputs() const { return inputs_; }

  // While a scope is set ("blocks.0"), unique names begin with it: those of nodes, for people, and the keys of dropout
  // masks, which are part of what a seed means.
  void set_scope(std::string scope) { scope_ = std::move(scope); }
  std::string unique_name(const std::string& what);

  // A model is a chain of blocks (the layers of a transformer), where it can be cut into stages. Each node and value
  // belongs to the block that is set when it is made, of which there are as many as the largest number says, and one.
  // What comes before the first block (embeddings) belongs to it, what follows the last (head, loss) to that; a
  // gradient belongs where the forward node does, an update where the parameter does. A shared parameter belongs to its
  // first block.
  void set_block(int block);
  [[nodiscard]] int blocks() const { return blocks_; }

 private:
  Value* new_value(Value::Kind kind, const Names& dims, DType dtype, const std::string& name);

  Precision precision_;
  Extents extents_;
  std::deque<Value> values_;
  std::deque<Node> nodes_;
  std::vector<Value*> parameters_, states_, inputs_;
  std::map<std::pair<const Value*, DType>, Value*> casts_;
  std::map<std::string, int> names_used_;
  std::string scope_;
  int block_ = 0, blocks_ = 1;
  std::size_t first_backward_ = 0;
};

}  // namespace ctrain
