#include "runtime/models/vit.h"

#include <cmath>

#include "memory/error.h"
#include "ops/build.h"

namespace ctrain {
namespace {

using Role = ParameterRole;

class Vit final : public Model {
 public:
  explicit Vit(const VitOptions& options) : o_(options) {}

  [[nodiscard]] Value* build(Graph& graph, const ModelOptions& options) const override {
    const std::int64_t patches = (o_.img_size / o_.patch_size) * (o_.img_size / o_.patch_size);
    const std::int64_t hidden = o_.hidden_size, head = hidden / o_.num_heads;
    const std::pair<char, std::int64_t> extents[] = {{'i', o_.in_channels},
                                                     {'y', o_.img_size},
                                                     {'x', o_.img_size},
                                                     {'s', patches + 1},
                                                     {'k', o_.in_channels * o_.patch_size * o_.patch_size},
                                                     {'h', hidden},
                                                     {'t', 3},
                                                     {'n', o_.num_heads},
                                                     {'d', head},
                                                     {'f', inner()},
                                                     {class_letter(), o_.num_classes}};
    for (const auto& [letter, extent] : extents) graph.set_extent({static_cast<char>(letter)}, extent);
    const bool training = options.training;

    Value* x = embed(graph, graph.input("images", "biyx", graph.real()));
    if (training) x = dropout(x, o_.dropout);
    for (std::int64_t i = 0; i < o_.depth; ++i) {
      const double drop_path_rate =
          o_.depth > 1 ? o_.drop_path * static_cast<double>(i) / static_cast<double>(o_.depth - 1) : 0;
      x = block(graph, x, i, training, drop_path_rate);
    }
    graph.set_scope("");
    x = norm(graph, "norm", x);
    x = graph.apply_one("select_token", {x});
    if (o_.representation_size == 0) return classifier(graph, x, "h", hidden);
    graph.set_extent({'f', 1}, o_.representation_size);
    Value* weight =
        linear_weight(graph, "pre_logits.fc.weight", "hf1", "f1h", {o_.representation_size, hidden}, hidden);
    x = activation(linear(x, weight, linear_bias(graph, "pre_logits.fc.bias", "f1", hidden)), "tanh");
    return classifier(graph, x, "f1", o_.representation_size);
  }

 private:
  [[nodiscard]] std::int64_t inner() const {
    return static_cast<std::int64_t>(std::lround(o_.mlp_ratio * static_cast<double>(o_.hidden_size)));
  }
  // Behind a representation layer, whose width is split already, classes stay whole.
  [[nodiscard]] char class_letter() const {
    return o_.num_classes > vocabulary_parallel_limit && o_.representation_size == 0 ? 'v' : 'c';
  }
  [[nodiscard]] bool timm() const { return o_.init_method == "timm"; }

  // ---- parameters: our order of dimensions, timm's names and shapes -------------------------------------------------
  [[nodiscard]] Initializer weight_initializer(std::int64_t fan_in) const {
    if (timm()) return {Initializer::Kind::truncated_normal, 0.02};
    return {Initializer::Kind::uniform, 1 / std::sqrt(static_cast<double>(fan_in))};
  }
  [[nodiscard]] Initializer bias_initializer(std::int64_t fan_in) const {
    if (timm()) return {};
    return {Initializer::Kind::uniform, 1 / std::sqrt(static_cast<double>(fan_in))};
  }

  Value* linear_weight(Graph& graph, const std::string& name, const Names& dims, const Names& file_order,
                       std::vector<std::int64_t> file_shape, std::int64_t fan_in, Role role = Role::linear) const {
    Value* weight = graph.parameter(name, dims, role, weight_initializer(fan_in));
    weight->form = {file_order, std::move(file_shape)};
    return weight;
  }
  Value* linear_bias(Graph& graph, const std::string& name, const Names& dims, std::int64_t fan_in,
                     Role role = Role::vector) const {
    Value* b = graph.parameter(name, dims, role, bias_initializer(fan_in));
    b->form.shape = {graph.elements(dims)};
    return b;
  }

  // ---- parts --------------------------------------------------------------------------------------------------------
  Value* embed(Graph& graph, Value* images) const {
    const std::int64_t hidden = o_.hidden_size, patch = o_.patch_size, fan_in = graph.extent({'k'});
    Value* patches = graph.apply_one("patchify", {images}, {{"patch", patch}});
    Value* weight = linear_weight(graph, "patch_embed.proj.weight", "kh", "hk", {hidden, o_.in_channels, patch, patch},
                                  fan_in, Role::embedding);
    Value* x = linear(patches, weight, linear_bias(graph, "patch_embed.proj.bias", "h", fan_in, Role::embedding));
    const Initializer token_init = timm() ? Initializer{Initializer::Kind::normal, 1e-6} : Initializer{};
    const Initializer position_init = timm() ? Initializer{Initializer::Kind::truncated_normal, 0.02} : Initializer{};
    Value* token = graph.parameter("cls_token", "h", Role::embedding, token_init);
    token->form.shape = {1, 1, hidden};
    Value* positions = graph.parameter("pos_embed", "sh", Role::embedding, position_init);
    positions->form.shape = {1, graph.extent({'s'}), hidden};
    return bias(graph.apply_one("set_token", {x, token}), positions);
  }

  Value* norm(Graph& graph, const std::string& name, Value* x) const {
    Value* weight = graph.parameter(name + ".weight", "h", Role::vector, {Initializer::Kind::constant, 1});
    Value* b = graph.parameter(name + ".bias", "h", Role::vector, {});
    return layer_norm(x, weight, b, o_.layer_norm_epsilon);
  }

  Value* block(Graph& graph, Value* x, std::int64_t i, bool training, double drop_path_rate) const {
    const std::string prefix = "blocks." + std::to_string(i);
    const std::int64_t hidden = o_.hidden_size;
    graph.set_scope(prefix);
    graph.set_block(static_cast<int>(i));
    const auto residual = [&](Value* branch) {
      if (training) branch = drop_path(dropout(branch, o_.dropout), drop_path_rate);
      return add({x, branch});
    };

    Value* y = norm(graph, prefix + ".norm1", x);
    Value* qkv = linear_weight(graph, prefix + ".attn.qkv.weight", "htnd", "tndh", {3 * hidden, hidden}, hidden);
    Value* qkv_bias = o_.qkv_bias ? linear_bias(graph, prefix + ".attn.qkv.bias", "tnd", hidden) : nullptr;
    y = attention(linear(y, qkv, qkv_bias), false, training ? o_.attention_dropout : 0);
    Value* projection = linear_weight(graph, prefix + ".attn.proj.weight", "ndh", "hnd", {hidden, hidden}, hidden);
    x = residual(linear(y, projection, linear_bias(graph, prefix + ".attn.proj.bias", "h", hidden)));

    y = norm(graph, prefix + ".norm2", x);
    Value* up = linear_weight(graph, prefix + ".mlp.fc1.weight", "hf", "fh", {inner(), hidden}, hidden);
    y = activation(linear(y, up, linear_bias(graph, prefix + ".mlp.fc1.bias", "f", hidden)), "gelu");
    if (training) y = dropout(y, o_.dropout);
    Value* down = linear_weight(graph, prefix + ".mlp.fc2.weight", "fh", "hf", {hidden, inner()}, inner());
    return x = residual(linear(y, down, linear_bias(graph, prefix + ".mlp.fc2.bias", "h", inner())));
  }

  Value* classifier(Graph& graph, Value* x, const Names& in, std::int64_t fan_in) const {
    const Name classes{class_letter()};
    const bool split = classes == Name{'v'};
    Value* weight = linear_weight(graph, "head.weight", {in[0], classes}, {classes, in[0]}, {o_.num_classes, fan_in},
                                  fan_in, split ? Role::linear : Role::embedding);
    if (!split) weight->spread = in[0];
    return linear(x, weight, linear_bias(graph, "head.bias", {classes}, fan_in));
  }

  VitOptions o_;
};

std::unique_ptr<Model> from_setting(const Setting& model) {
  VitOptions options;
  options.img_size = model["img_size"].integer();
  options.patch_size = model["patch_size"].integer();
  options.in_channels = model["in_channels"].integer();
  options.num_classes = model["num_classes"].integer();
  options.hidden_size = model["hidden_size"].integer();
  options.depth = model["depth"].integer();
  options.num_heads = model["num_heads"].integer();
  options.mlp_ratio = model["mlp_ratio"].real();
  options.qkv_bias = model["qkv_bias"].boolean();
  if (model.has("representation_size")) options.representation_size = model["representation_size"].integer();
  options.dropout = model["dropout"].real();
  options.attention_dropout = model["attention_dropout"].real();
  options.drop_path = model["drop_path"].real();
  options.init_method = model["init_method"].text();
  options.layer_norm_epsilon = model["layer_norm_epsilon"].real();
  return make_vit(options);
}

const ModelRegistration registration("vit", from_setting);

}  // namespace

std::unique_ptr<Model> make_vit(const VitOptions& options) { return std::make_unique<Vit>(options); }

}  // namespace ctrain
