#include "runtime/models/mlp.h"

#include <cmath>

#include "memory/error.h"
#include "ops/build.h"

namespace ctrain {
namespace {

class Mlp final : public Model {
 public:
  explicit Mlp(const MlpOptions& options) : o_(options) {}

  [[nodiscard]] Value* build(Graph& graph, const ModelOptions& options) const override {
    const std::size_t layers = o_.dims.size() - 1;
    std::vector<Name> widths;
    for (std::size_t i = 0; i <= layers; ++i) {
      const bool classes = i == layers && options.target.labels;
      const bool split = i % 2 == 1 && o_.dims[i] > vocabulary_parallel_limit;  // where the width before them is not
      widths.push_back(classes ? Name{split ? 'v' : 'c'}
                               : Name{i % 2 == 0 ? 'h' : 'f', static_cast<std::uint8_t>(i / 2)});
      graph.set_extent(widths[i], o_.dims[i]);
    }
    Value* x = graph.input("images", {Name{'b'}, widths[0]}, graph.real());
    for (std::size_t i = 1; i <= layers; ++i) {
      graph.set_block(static_cast<int>(i) - 1);
      x = layer(graph, x, i, widths[i - 1], widths[i]);
      if (i == layers) break;
      x = activation(x, o_.activation);
      if (options.training) x = dropout(x, o_.dropout);
    }
    return x;
  }

 private:
  Value* layer(Graph& graph, Value* x, std::size_t i, Name in, Name out) const {
    const std::string name = "dense_" + std::to_string(i);
    const bool classifier = out.letter == 'c';
    const Initializer init{Initializer::Kind::uniform, 1 / std::sqrt(static_cast<double>(graph.extent(in)))};
    const Names dims{in, out};
    Value* weight =
        graph.parameter(name + ".weight", dims, classifier ? ParameterRole::embedding : ParameterRole::linear, init);
    weight->form = {{out, in}, {graph.extent(out), graph.extent(in)}};
    if (classifier) weight->spread = in;
    if (!o_.bias) return linear(x, weight, nullptr);
    return linear(x, weight, graph.parameter(name + ".bias", {out}, ParameterRole::vector, init));
  }

  MlpOptions o_;
};

std::unique_ptr<Model> from_setting(const Setting& model) {
  MlpOptions options;
  for (const Setting& width : model["dims"].list()) options.dims.push_back(width.integer());
  options.activation = model["activation"].text();
  options.bias = model["bias"].boolean();
  options.dropout = model["dropout"].real();
  return make_mlp(options);
}

const ModelRegistration registration("mlp", from_setting);

}  // namespace

std::unique_ptr<Model> make_mlp(const MlpOptions& options) { return std::make_unique<Mlp>(options); }

}  // namespace ctrain
