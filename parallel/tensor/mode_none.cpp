// No tensor parallelism: the batch over `data`, everything else whole on every rank.
#include "memory/error.h"
#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

std::vector<MeshAxis> axes(const TensorSize& tensor) {
  if (tensor.size != 1) throw usage_error("a tensor size of {} needs a mode", tensor.size);
  return {};
}

void fill(Mode& mode) {
  mode.stream = mode.inner = mode.embedding = {{'b', {mode.mesh.axis("data")}}};
  mode.stored = [](const Value&, const Mode&, const Dimensions&) { return Layout{}; };
}

const ModeRegistration registration("none", {axes, fill});

}  // namespace
}  // namespace ctrain
