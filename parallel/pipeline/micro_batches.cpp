#include "parallel/pipeline/micro_batches.h"

#include <algorithm>

namespace ctrain {
namespace {

constexpr const char* axis_name = "micro-batch";

}  // namespace

Mode with_micro_batches(Mode mode, int micro_batches) {
  if (micro_batches == 1) return mode;
  std::vector<MeshAxis> axes = mode.mesh.axes();
  axes.push_back({axis_name, micro_batches});
  mode.mesh = Mesh(std::move(axes));
  const Axis data = mode.mesh.axis("data"), time = mode.mesh.axis(axis_name);
  for (AxisTable* table : {&mode.stream, &mode.inner, &mode.embedding, &mode.product}) {
    if (table->empty() && table == &mode.product) continue;  // the mode has no such table
    Axes split;
    if ((*table)['b'].contains(data)) split.push_back(data);
    split.push_back(time);
    for (const Axis axis : (*table)['b'])
      if (axis != data) split.push_back(axis);
    (*table)['b'] = split;
  }
  mode.multiples['b'] = mode.mesh.size(lookup(mode.stream, {'b'}));
  return mode;
}

bool is_over_batch(const Value& value) { return value.dims.contains({'b'}); }

bool is_over_batch(const Node& node) {
  const auto over_batch = [](const Value* value) { return is_over_batch(*value); };
  return std::any_of(node.inputs.begin(), node.inputs.end(), over_batch) ||
         std::any_of(node.outputs.begin(), node.outputs.end(), over_batch);
}

std::optional<Axis> micro_batch_axis(const Mesh& mesh) { return mesh.find(axis_name); }

}  // namespace ctrain
