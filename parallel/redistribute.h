// Redistribution: from one layout of a value to another in steps of one collective each, found by Dijkstra's algorithm
// over the one-step moves with an alpha-beta cost (Colossal-AI's shape consistency manager searches the same moves
// greedily and sends more where several axes take part).
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "parallel/comm/communicator.h"
#include "parallel/layout.h"

namespace ctrain {

// One move. Only the last (finest) axis of a dimension moves.
//   all_gather   `from` loses `axis`            all_to_all      `axis` moves from dimension `from` to `to`
//   all_reduce   a partial axis is resolved     reduce_scatter  the same, and splits dimension `to`
//   shard        (no collective) `to` gains an axis on which the value was replicated: a local slice
struct Move {
  std::optional<Collective> collective;  // none: shard
  Axis axis = 0;
  int from = -1, to = -1;  // dimensions
  Layout result;
};

// Seconds of a call on a link: latency plus bytes over bandwidth. Only the ratio steers the search.
struct CostModel {
  double latency = 5e-6;
  double seconds_per_byte = 1e-10;
};

class Redistributor {
 public:
  Redistributor(const Mesh& mesh, const Dimensions& dimensions, CostModel cost = {})
      : mesh_(&mesh), dimensions_(&dimensions), cost_(cost) {}

  // The cheapest path; memoised. Throws where there is none (a partial target).
  const std::vector<Move>& path(const Names& dims, const Layout& from, const Layout& to);

  // Every layout one move away.
  [[nodiscard]] std::vector<Move> moves(const Names& dims, const Layout& from) const;

 private:
  [[nodiscard]] bool fits(Name dim, const Axes& axes) const;
  [[nodiscard]] double cost(const Names& dims, const Layout& from, const Move& move) const;

  const Mesh* mesh_;
  const Dimensions* dimensions_;
  CostModel cost_;
  std::map<std::tuple<std::string, Layout, Layout>, std::vector<Move>> paths_;
};

}  // namespace ctrain
