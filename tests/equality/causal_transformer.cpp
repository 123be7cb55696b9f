#include "causal_transformer.h"

#include "ops/build.h"
#include "ops/philox.h"

namespace ctrain {
namespace {

using Role = ParameterRole;

class CausalTransformer final : public Model {
 public:
  explicit CausalTransformer(const CausalTransformerOptions& options) : o_(options) {}

  [[nodiscard]] Value* build(Graph& graph, const ModelOptions& options) const override {
    const std::pair<char, std::int64_t> extents[] = {
        {'s', sequence_length}, {'v', vocabulary}, {'h', o_.hidden},    {'t', 3},
        {'n', o_.heads},        {'d', head()},     {'f', 2 * o_.hidden}};
    for (const auto& [letter, extent] : extents) graph.set_extent({letter}, extent);
    const double rate = options.training ? 0.1 : 0;
    Value* words = weight(graph, "word", "vh", Role::embedding);
    words->spread = {'h'};
    Value* x = graph.apply_one("embedding", {graph.input("tokens", "bs", DType::i32), words});
    x = dropout(bias(x, weight(graph, "position", "sh", Role::embedding)), rate);
    for (std::int64_t i = 0; i < o_.depth; ++i) x = block(graph, x, static_cast<int>(i), rate);
    graph.set_scope("");
    x = norm(graph, "norm", x);
    return linear(x, o_.tied ? words : weight(graph, "head", "hv", Role::linear), nullptr);
  }

 private:
  [[nodiscard]] std::int64_t head() const { return o_.hidden / o_.heads; }

  static Value* weight(Graph& graph, const std::string& name, const Names& dims, Role role) {
    return graph.parameter(name, dims, role, {Initializer::Kind::normal, 0.1});
  }
  static Value* vector(Graph& graph, const std::string& name, const Names& dims) {
    return weight(graph, name, dims, Role::vector);
  }
  static Value* norm(Graph& graph, const std::string& name, Value* x) {
    Value* scale = graph.parameter(name + ".weight", "h", Role::vector, {Initializer::Kind::constant, 1});
    return layer_norm(x, scale, vector(graph, name + ".bias", "h"), 1e-5);
  }

  [[nodiscard]] Value* block(Graph& graph, Value* x, int number, double rate) const {
    const std::string name = "block." + std::to_string(number);
    graph.set_scope(name);
    graph.set_block(number);
    const auto layer = [&](Value* in, const std::string& part, const Names& dims, const Names& out) {
      return linear(in, weight(graph, name + part, dims, Role::linear), vector(graph, name + part + ".bias", out));
    };
    Value* y = layer(norm(graph, name + ".norm1", x), ".qkv", "htnd", "tnd");
    y = layer(attention(y, true, rate), ".projection", "ndh", "h");
    x = add({x, dropout(y, rate)});
    y = activation(layer(norm(graph, name + ".norm2", x), ".up", "hf", "f"), "gelu");
    return add({x, dropout(layer(y, ".down", "fh", "h"), rate)});
  }

  CausalTransformerOptions o_;
};

}  // namespace

std::unique_ptr<Model> make_causal_transformer(const CausalTransformerOptions& options) {
  return std::make_unique<CausalTransformer>(options);
}

TokenDataset::TokenDataset(std::int64_t size)
    : Dataset({.size = size,
               .form = InputForm::tokens,
               .input_shape = {sequence_length},
               .num_classes = vocabulary,
               .target_shape = {}}) {}

// Each token follows from the one before, with some noise; every third sample ends early.
void TokenDataset::read_tokens(std::int64_t index, std::span<std::int32_t> tokens) const {
  const std::uint64_t key = random_key(3, "tokens", static_cast<std::uint64_t>(index));
  const std::size_t end = index % 3 == 0 ? tokens.size() - 4 : tokens.size();
  auto token = static_cast<std::int32_t>(random_below(key, 0, vocabulary));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = i < end ? token : -1;
    const auto noise = static_cast<std::int32_t>(random_below(key, i + 1, 3));
    token = static_cast<std::int32_t>((5 * token + 7 + noise) % vocabulary);
  }
}

}  // namespace ctrain
