// Sequence parallelism (Li et al., "Sequence Parallelism: Long Sequence Training from System Perspective", 2021): over
// P ranks the tokens s are split, every weight is whole on every rank. Only attention looks across tokens: it is a ring
// (parallel/tensor/ring_attention.h). Any number of tokens fits: s is padded, and where attention is causal its storage
// order is zigzag, so that every rank has as much to do (parallel/layout.h).
#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

Layout stored(const Value& parameter, const Mode& mode, const Dimensions&) {
  Layout layout;  // positions lie with their tokens
  if (parameter.dims.contains({'s'})) layout.of(parameter.dims, {'s'}) = {mode.mesh.axis("sequence")};
  return layout;
}

void fill(Mode& mode) {
  const Axis data = mode.mesh.axis("data"), sequence = mode.mesh.axis("sequence");
  mode.stream = mode.inner = mode.embedding = {{'b', {data}}, {'s', {sequence}}};
  mode.ring = {sequence};
  mode.multiples['s'] = mode.mesh.size(sequence);
  mode.stored = stored;
}

const ModeRegistration registration("sequence", {"any number",
                                                 [](const TensorSize& tensor) {
                                                   return std::vector<MeshAxis>{{"sequence", tensor.size}};
                                                 },
                                                 fill});

}  // namespace
}  // namespace ctrain
