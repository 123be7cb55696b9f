// 3d tensor parallelism (Agarwal et al. 1995; Bian et al., "Maximizing Parallelism in Distributed Training for Huge
// Neural Networks", 2021) on a cube of q x q x q ranks. A product has three indices and the cube three axes: rows of
// the activation go by `weight`, the residual stream h by `output`, features inside a block by `input`. An operand uses
// two of the axes; it is stored with the third folded in:
//   X  b(weight, input) h(output)     gathered over `input`
//   W  h(output) f(input, weight)     gathered over `weight`
//   Y  b(weight, output) f(input)     what the product leaves partial over `output` is reduce-scattered
// The next product contracts f and gives h: the same table read backwards. Redistribution from and to these layouts is
// the whole algorithm; what Colossal-AI's documents call swapping input and output groups is `stream` and `inner`.
#include <cmath>

#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

std::vector<MeshAxis> axes(const TensorSize& tensor) {
  const int q = static_cast<int>(std::lround(std::cbrt(tensor.size)));
  return {{"output", q}, {"input", q}, {"weight", q}};
}

Layout stored(const Value& parameter, const Mode& mode, const Dimensions& dimensions) {
  Layout layout;
  const Names feature = features(parameter.dims);
  for (const Name name : feature) layout.of(parameter.dims, name) = lookup(mode.product, name);
  if (feature.size() == 2) fold_axis(layout, parameter, mode.mesh.axis("weight"), mode, dimensions);
  return layout;
}

void fill(Mode& mode) {
  const Axis data = mode.mesh.axis("data"), output = mode.mesh.axis("output");
  const Axis input = mode.mesh.axis("input"), weight = mode.mesh.axis("weight");
  mode.stream = {{'b', {data, weight, input}}, {'h', {output}}};
  mode.inner = {{'b', {data, weight, output}}, {'n', {input}}, {'f', {input}}, {'v', {input}}};
  mode.product = {{'b', {data, weight}}, {'h', {output}}, {'n', {input}}, {'f', {input}}, {'v', {input}}};
  mode.embedding = mode.product;
  mode.multiples['v'] = mode.mesh.size({input, weight});
  mode.widths = mode.mesh.size({input, weight});
  mode.stored = stored;
}

const ModeRegistration registration("3d", {"a cubic number", axes, fill});

}  // namespace
}  // namespace ctrain
