// Lists of tensors: one step of an op in place of many (ops/tensor_list.h), where no other step stands in the way.
#include <fmt/format.h>

#include "parallel/fusion/fusion.h"
#include "parallel/fusion/program_editor.h"

namespace ctrain {
namespace {

// Where the joined step stands: at the first of the steps, whose outputs then live longer, or at the last one, up to
// which their inputs live.
enum class Place : std::uint8_t { first, last };

std::vector<DType> types(const LocalNode& node) {
  std::vector<DType> result;
  for (const auto* operands : {&node.inputs, &node.outputs})
    for (const Operand& operand : *operands) result.push_back(operand.dtype);
  return result;
}

// Steps that do the same, in one segment of the program.
class List {
 public:
  List(ProgramEditor& editor, std::size_t i, Place place)
      : editor_(editor), place_(place), limit_(editor.first_dependent(i)), steps_{i} {}

  [[nodiscard]] bool takes(std::size_t i) const {
    const LocalNode &node = editor_.local(i)->node, &first = editor_.local(steps_[0])->node;
    return node.attributes.items() == first.attributes.items() && types(node) == types(first) &&
           editor_.same_segment(i, steps_[0]) &&
           (place_ == Place::last ? i < limit_ : editor_.last_dependency(i) < static_cast<std::ptrdiff_t>(steps_[0]));
  }
  void add(std::size_t i) {
    limit_ = std::min(limit_, editor_.first_dependent(i));
    steps_.push_back(i);
  }

  void join() const {
    if (steps_.size() == 1) return;
    std::vector<BlockId> inputs, outputs;
    for (const std::size_t i : steps_) {
      const LocalStep& step = *editor_.local(i);
      inputs.insert(inputs.end(), step.inputs.begin(), step.inputs.end());
      outputs.insert(outputs.end(), step.outputs.begin(), step.outputs.end());
    }
    const std::size_t at = place_ == Place::first ? steps_.front() : steps_.back();
    for (const std::size_t i : steps_)
      if (i != at) editor_.remove(i);
    LocalNode& node = editor_.local(at)->node;
    node.name = fmt::format("{} of {} tensors", node.op, steps_.size());
    node.segments.clear();  // a dimension may lie otherwise in another tensor
    node.extents.clear();
    editor_.replace(at, node.op, inputs, outputs);
  }

 private:
  ProgramEditor& editor_;
  Place place_;
  std::size_t limit_;  // the first step that must come after one of these
  std::vector<std::size_t> steps_;
};

template <typename Fits>
void join(ProgramEditor& editor, const std::string& op, Place place, const Fits& fits) {
  std::vector<List> lists;
  for (std::size_t i = 0; i < editor.size(); ++i) {
    const LocalStep* step = editor.local(i, op);
    if (step == nullptr || !fits(*step)) continue;
    const auto list = std::find_if(lists.rbegin(), lists.rend(), [&](const List& open) { return open.takes(i); });
    if (list == lists.rend())
      lists.emplace_back(editor, i, place);
    else
      list->add(i);
  }
  for (const List& list : lists) list.join();
}

}  // namespace

// Gradients are all there when the first update is done, so that nothing lives longer for a list of them. A copy of a
// parameter in the type of activations lives from its first reader on: made at the beginning, a large one would be in
// the way of others.
void fuse_tensor_lists(ProgramEditor& editor) {
  constexpr std::int64_t small = 1 << 16;  // elements
  join(editor, "cast", Place::first, [&](const LocalStep& step) { return step.node.outputs[0].elements() < small; });
  for (const char* op : {"sum_squares", "sgd_update", "adam_update"})
    join(editor, op, Place::last, [](const LocalStep&) { return true; });
}

}  // namespace ctrain
