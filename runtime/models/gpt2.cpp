#include "runtime/models/gpt2.h"

#include <cmath>

#include "memory/error.h"
#include "ops/build.h"

namespace ctrain {
namespace {

using Role = ParameterRole;

class Gpt2 final : public Model {
 public:
  explicit Gpt2(const Gpt2Options& options) : o_(options) {}

  [[nodiscard]] Value* build(Graph& graph, const ModelOptions& options) const override {
    const std::pair<char, std::int64_t> extents[] = {{'s', options.sample.extents.at(0)},
                                                     {'p', o_.max_position_embeddings},
                                                     {'v', o_.vocab_size},
                                                     {'h', o_.hidden_size},
                                                     {'t', 3},
                                                     {'n', o_.num_heads},
                                                     {'d', o_.hidden_size / o_.num_heads},
                                                     {'f', inner()}};
    for (const auto& [letter, extent] : extents) graph.set_extent({letter}, extent);
    const bool training = options.training;

    Value* words = weight(graph, "transformer.wte.weight", "vh", {o_.vocab_size, o_.hidden_size}, Role::embedding);
    Value* positions =
        weight(graph, "transformer.wpe.weight", "ph", {o_.max_position_embeddings, o_.hidden_size}, Role::embedding);
    Value* x = graph.apply_one("embedding", {graph.input("tokens", "bs", DType::i32), words});
    x = graph.apply_one("add_positions", {x, positions});
    if (training) x = dropout(x, o_.embed_dropout);
    for (std::int64_t i = 0; i < o_.depth; ++i) x = block(graph, x, i, training);
    graph.set_scope("");
    return linear(norm(graph, "transformer.ln_f", x), o_.tie_word_embeddings ? words : head(graph), nullptr);
  }

 private:
  [[nodiscard]] std::int64_t inner() const {
    return static_cast<std::int64_t>(std::lround(o_.mlp_ratio * static_cast<double>(o_.hidden_size)));
  }

  // ---- parameters ---------------------------------------------------------------------------------------------------
  static constexpr double deviation = 0.02;

  // Our order of dimensions is the file's.
  static Value* weight(Graph& graph, const std::string& name, const Names& dims, std::vector<std::int64_t> shape,
                       Role role = Role::linear, double standard_deviation = deviation) {
    Value* value = graph.parameter(name, dims, role, {Initializer::Kind::normal, standard_deviation});
    value->form.shape = std::move(shape);
    return value;
  }

  static Value* norm(Graph& graph, const std::string& name, Value* x, double epsilon) {
    Value* scale = graph.parameter(name + ".weight", "h", Role::vector, {Initializer::Kind::constant, 1});
    return layer_norm(x, scale, graph.parameter(name + ".bias", "h", Role::vector, {}), epsilon);
  }
  Value* norm(Graph& graph, const std::string& name, Value* x) const {
    return norm(graph, name, x, o_.layer_norm_epsilon);
  }

  // x W + b for W [in, out] in the file.
  static Value* layer(Graph& graph, Value* x, const std::string& name, const Names& dims, const Names& out,
                      double standard_deviation = deviation) {
    const std::int64_t width = graph.elements(out);
    std::vector<std::int64_t> shape{graph.elements(dims) / width, width};
    Value* w = weight(graph, name + ".weight", dims, std::move(shape), Role::linear, standard_deviation);
    Value* b = graph.parameter(name + ".bias", out, Role::vector, {});
    b->form.shape = {width};
    return linear(x, w, b);
  }

  Value* head(Graph& graph) const {
    Value* value = weight(graph, "lm_head.weight", "hv", {o_.vocab_size, o_.hidden_size});
    value->form.order = "vh";
    return value;
  }

  // ---- blocks -------------------------------------------------------------------------------------------------------
  Value* block(Graph& graph, Value* x, std::int64_t i, bool training) const {
    const std::string prefix = "transformer.h." + std::to_string(i);
    graph.set_scope(prefix);
    graph.set_block(static_cast<int>(i));
    // Every block adds two branches to the stream: these layers start smaller, so that the stream's size does not grow
    // with the depth.
    const double branch = deviation / std::sqrt(2 * static_cast<double>(o_.depth));
    const auto residual = [&](Value* y) { return add({x, training ? dropout(y, o_.dropout) : y}); };

    Value* y = layer(graph, norm(graph, prefix + ".ln_1", x), prefix + ".attn.c_attn", "htnd", "tnd");
    y = attention(y, true, training ? o_.attention_dropout : 0);
    x = residual(layer(graph, y, prefix + ".attn.c_proj", "ndh", "h", branch));

    y = layer(graph, norm(graph, prefix + ".ln_2", x), prefix + ".mlp.c_fc", "hf", "f");
    return residual(layer(graph, activation(y, "gelu_tanh"), prefix + ".mlp.c_proj", "fh", "h", branch));
  }

  Gpt2Options o_;
};

std::unique_ptr<Model> from_setting(const Setting& model) {
  Gpt2Options options;
  options.vocab_size = model["vocab_size"].integer();
  options.max_position_embeddings = model["max_position_embeddings"].integer();
  options.hidden_size = model["hidden_size"].integer();
  options.depth = model["depth"].integer();
  options.num_heads = model["num_heads"].integer();
  options.mlp_ratio = model["mlp_ratio"].real();
  options.dropout = model["dropout"].real();
  options.attention_dropout = model["attention_dropout"].real();
  options.embed_dropout = model["embed_dropout"].real();
  options.tie_word_embeddings = model["tie_word_embeddings"].boolean();
  options.layer_norm_epsilon = model["layer_norm_epsilon"].real();
  return make_gpt2(options);
}

const ModelRegistration registration("gpt2", from_setting);

}  // namespace

std::unique_ptr<Model> make_gpt2(const Gpt2Options& options) { return std::make_unique<Gpt2>(options); }

}  // namespace ctrain
