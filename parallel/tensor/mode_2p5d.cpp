// 2.5d tensor parallelism (Solomonik and Demmel 2011; Wang et al., "Tesseract: Parallelize the Tensor Parallelism
// Efficiently", 2021): `depth` layers of a q x q grid. Every layer holds the whole weights, as 2d does, and its share
// of the batch, which is split depth * q ways; products are SUMMA within a layer (parallel/tensor/summa.h), and the
// gradients of weights are summed over `depth`. Of the vectors, linear biases and layer norm lie over `col` alone, H/q
// elements a rank as documented; the others lie over (col, row) as in 2d.
#include <cmath>

#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

std::vector<MeshAxis> axes(const TensorSize& tensor) {
  const int layer = tensor.size / tensor.depth, q = static_cast<int>(std::lround(std::sqrt(layer)));
  return {{"depth", tensor.depth}, {"row", q}, {"col", q}};
}

Layout stored(const Value& parameter, const Mode& mode, const Dimensions& dimensions) {
  const Axis row = mode.mesh.axis("row"), col = mode.mesh.axis("col");
  const Names feature = features(parameter.dims);
  Layout layout;
  if (feature.size() == 2) {
    layout.of(parameter.dims, feature[0]) = {row};
    layout.of(parameter.dims, feature[1]) = {col};
  } else if (feature.size() == 1) {
    layout.of(parameter.dims, feature[0]) = {col};
    if (parameter.role != ParameterRole::vector) fold_axis(layout, parameter, row, mode, dimensions);
  }
  return layout;
}

void fill(Mode& mode) {
  const Axis data = mode.mesh.axis("data"), depth = mode.mesh.axis("depth");
  const Axis row = mode.mesh.axis("row"), col = mode.mesh.axis("col");
  mode.stream = mode.inner = {{'b', {data, depth, row}}, {'h', {col}}, {'n', {col}}, {'f', {col}}, {'v', {col}}};
  mode.embedding = {{'b', {data, depth}}, {'v', {row}}, {'h', {col}}};
  mode.summa = true;
  mode.multiples['v'] = mode.mesh.size(row);
  mode.widths = mode.mesh.size({row, col});
  mode.stored = stored;
}

const ModeRegistration registration("2.5d", {"depth times a square number", axes, fill});

}  // namespace
}  // namespace ctrain
