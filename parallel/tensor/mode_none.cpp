// No tensor parallelism: the batch over `data`, everything else whole on every rank.
#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

void fill(Mode& mode) {
  mode.stream = mode.inner = mode.embedding = {{'b', {mode.mesh.axis("data")}}};
  mode.stored = [](const Value&, const Mode&, const Dimensions&) { return Layout{}; };
}

const ModeRegistration registration("none", {"one", [](const TensorSize&) { return std::vector<MeshAxis>{}; }, fill});

}  // namespace
}  // namespace ctrain
