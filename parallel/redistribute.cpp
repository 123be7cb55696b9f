#include "parallel/redistribute.h"

#include <queue>

#include "memory/error.h"

namespace ctrain {
namespace {

Layout with_split(const Layout& layout, int dim, const Axes& axes) {
  Layout result = layout;
  result.split[static_cast<std::size_t>(dim)] = axes;
  return result;
}

}  // namespace

bool Redistributor::fits(Name dim, const Axes& axes) const { return dimensions_->padded(dim) % mesh_->size(axes) == 0; }

std::vector<Move> Redistributor::moves(const Names& dims, const Layout& from) const {
  std::vector<Move> result;
  const int rank = static_cast<int>(dims.size());
  for (int d = 0; d < rank; ++d) {
    const Axes& split = from.split[static_cast<std::size_t>(d)];
    if (!split.empty()) {
      const Axis last = split.back();
      const Layout gathered = with_split(from, d, split.without_last());
      result.push_back({Collective::all_gather, last, d, -1, gathered});
      for (int e = 0; e < rank; ++e) {
        const Axes target = from.split[static_cast<std::size_t>(e)].with(last);
        if (e != d && fits(dims[static_cast<std::size_t>(e)], target))
          result.push_back({Collective::all_to_all, last, d, e, with_split(gathered, e, target)});
      }
    }
    for (Axis axis = 0; axis < static_cast<Axis>(mesh_->axes().size()); ++axis)
      if (mesh_->size(axis) > 1 && !from.uses(axis) && fits(dims[static_cast<std::size_t>(d)], split.with(axis)))
        result.push_back({std::nullopt, axis, -1, d, with_split(from, d, split.with(axis))});
  }
  for (const Axis axis : from.partial) {
    Layout resolved = from;
    resolved.partial = from.partial.without(axis);
    if (resolved.partial.empty()) resolved.reduction = Reduction::sum;
    result.push_back({Collective::all_reduce, axis, -1, -1, resolved});
    if (from.reduction != Reduction::sum) continue;
    for (int d = 0; d < rank; ++d) {
      const Axes target = from.split[static_cast<std::size_t>(d)].with(axis);
      if (fits(dims[static_cast<std::size_t>(d)], target))
        result.push_back({Collective::reduce_scatter, axis, -1, d, with_split(resolved, d, target)});
    }
  }
  return result;
}

double Redistributor::cost(const Names& dims, const Layout& from, const Move& move) const {
  constexpr double slice = 1e-7;  // a local slice is nearly free, but never better than nothing
  const int n = mesh_->size(move.axis);
  if (!move.collective.has_value()) return slice;
  const std::int64_t local = 4 * dimensions_->local_elements(dims, from, *mesh_);
  return cost_.latency + cost_.seconds_per_byte * static_cast<double>(bytes_sent(*move.collective, n, false, local));
}

const std::vector<Move>& Redistributor::path(const Names& dims, const Layout& from, const Layout& to) {
  const auto key = std::tuple(dims.text(), from, to);
  if (const auto it = paths_.find(key); it != paths_.end()) return it->second;

  struct Reached {
    double cost = 0;
    bool done = false;
    std::vector<Move> path;
  };
  std::map<Layout, Reached> reached{{from, {}}};
  using Entry = std::pair<double, Layout>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  queue.emplace(0, from);
  while (!queue.empty()) {
    const auto [cost_so_far, layout] = queue.top();
    queue.pop();
    Reached& here = reached[layout];
    if (here.done) continue;
    here.done = true;
    if (layout == to) return paths_[key] = here.path;
    for (Move& move : moves(dims, layout)) {
      const double total = cost_so_far + cost(dims, layout, move);
      const auto [it, fresh] = reached.try_emplace(move.result);
      if (!fresh && (it->second.done || it->second.cost <= total)) continue;
      it->second.cost = total;
      it->second.path = here.path;
      it->second.path.push_back(move);
      queue.emplace(total, move.result);
    }
  }
  throw running_error("internal error: no way from {} to {}", from.text(dims, *mesh_), to.text(dims, *mesh_));
}

}  // namespace ctrain
