// A mode of one's own: weights are split along their output over `column`, activations lie whole on a half of the
// ranks, which shares the batch with the other half. The axes are its process groups, the tables say what lies where.
#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

std::vector<MeshAxis> axes(const TensorSize& tensor) { return {{"half", 2}, {"column", tensor.size / 2}}; }

Layout stored(const Value& parameter, const Mode& mode, const Dimensions& dimensions) {
  Layout layout;
  if (features(parameter.dims).size() == 2) fold_axis(layout, parameter, mode.mesh.axis("column"), mode, dimensions);
  return layout;
}

void fill(Mode& mode) {
  mode.stream = mode.inner = mode.embedding = {{'b', {mode.mesh.axis("data"), mode.mesh.axis("half")}}};
  mode.widths = mode.mesh.size(mode.mesh.axis("column"));
  mode.stored = stored;
}

const ModeRegistration registration("column", {"an even number", axes, fill});

}  // namespace
}  // namespace ctrain
