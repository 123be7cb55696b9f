// 2d tensor parallelism (Xu et al., "An Efficient 2D Method for Training Super-Large Deep Learning Models", 2021) on a
// q x q grid: activations lie b over `row` and features over `col`, weights W[in, out] over (row, col). Both operands
// and the result of a product want `col`, so products are SUMMA (parallel/tensor/summa.h). Vectors (biases, layer norm)
// lie over (col, row): H/q² elements a rank, gathered over `row` where they are used.
#include <cmath>

#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

std::vector<MeshAxis> axes(const TensorSize& tensor) {
  const int q = static_cast<int>(std::lround(std::sqrt(tensor.size)));
  return {{"row", q}, {"col", q}};
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
    fold_axis(layout, parameter, row, mode, dimensions);
  }
  return layout;
}

void fill(Mode& mode) {
  const Axis data = mode.mesh.axis("data"), row = mode.mesh.axis("row"), col = mode.mesh.axis("col");
  mode.stream = mode.inner = {{'b', {data, row}}, {'h', {col}}, {'n', {col}}, {'f', {col}}, {'v', {col}}};
  mode.embedding = {{'b', {data}}, {'v', {row}}, {'h', {col}}};
  mode.summa = true;
  mode.multiples['v'] = mode.mesh.size(row);
  mode.widths = mode.mesh.size({row, col});
  mode.stored = stored;
}

const ModeRegistration registration("2d", {"a square number", axes, fill});

}  // namespace
}  // namespace ctrain
