// 1d tensor parallelism (Shoeybi et al., "Megatron-LM", 2019, section 3): over P ranks, the features inside a block
// (heads n, MLP f, vocabulary v) are split, the residual stream h is whole on every rank.
//   column-parallel  X[b,h] W[h, f/P] -> [b, f/P]          its input gradient is partial, summed by an all-reduce
//   row-parallel     X[b, f/P] W[f/P, h] -> [b,h] partial  summed by an all-reduce
// A small classifier W[h, c] is stored split along h (Classifier1D): its classes are never split.
#include "parallel/tensor/mode.h"

namespace ctrain {
namespace {

Layout stored(const Value& parameter, const Mode& mode, const Dimensions&) {
  const Axes tensor{mode.mesh.axis("tensor")};
  Layout layout;
  for (std::size_t i = 0; i < parameter.dims.size(); ++i)
    if (is_inner_feature(parameter.dims[i])) layout.split[i] = tensor;
  const Names feature = features(parameter.dims);
  const bool classifier = feature.size() == 1 && feature[0].letter == 'h' && parameter.dims.contains({'c'});
  if (classifier) layout.of(parameter.dims, feature[0]) = tensor;
  return layout;
}

void fill(Mode& mode) {
  const Axes data{mode.mesh.axis("data")}, tensor{mode.mesh.axis("tensor")};
  mode.stream = mode.inner = {{'b', data}, {'n', tensor}, {'f', tensor}, {'v', tensor}};
  mode.embedding = {{'b', data}, {'v', tensor}};
  mode.multiples['v'] = mode.mesh.size(tensor);
  mode.widths = mode.mesh.size(tensor);
  mode.stored = stored;
}

const ModeRegistration registration("1d", {"any number",
                                           [](const TensorSize& tensor) {
                                             return std::vector<MeshAxis>{{"tensor", tensor.size}};
                                           },
                                           fill});

}  // namespace
}  // namespace ctrain
