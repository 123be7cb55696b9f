#include "parallel/pipeline/stage_cut.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "memory/error.h"

namespace ctrain {
namespace {

void check_sizes(int blocks, int stages, int chunks) {
  if (stages < 1 || chunks < 1)
    throw usage_error("a pipeline of {} stages with {} chunks each: expected 1 or more of both", stages, chunks);
  if (blocks >= stages * chunks) return;
  if (chunks == 1)
    throw usage_error("{} blocks over {} pipeline stages: expected at most {} stages", blocks, stages, blocks);
  const int most_stages = blocks / chunks, most_chunks = blocks / stages;
  std::vector<std::string> nearest;
  if (most_stages > 0) nearest.push_back(fmt::format("{} stages with {} chunks", most_stages, chunks));
  if (most_chunks > 0) nearest.push_back(fmt::format("{} chunks on {} stages", most_chunks, stages));
  throw usage_error(
      "{} blocks over {} pipeline stages with {} chunks each, {} parts: expected a block for every part{}", blocks,
      stages, chunks, stages * chunks, nearest.empty() ? "" : fmt::format("; nearest {}", fmt::join(nearest, ", or ")));
}

// Contiguous parts from the first blocks of all but the first.
std::vector<BlockRange> between(int blocks, const std::vector<int>& cuts) {
  std::vector<BlockRange> parts;
  int first = 0;
  for (const int cut : cuts) {
    parts.push_back({first, cut});
    first = cut;
  }
  parts.push_back({first, blocks});
  return parts;
}

using Costs = std::function<double(double so_far, double weight)>;  // of some parts and one more

constexpr double impossible = std::numeric_limits<double>::infinity();

// The cheapest cut, by dynamic programming over (parts, blocks): the first `n` blocks in `k` parts are the first
// `first` blocks in k - 1 parts, and one part of the rest.
struct Cheapest {
  double cost = impossible;
  std::vector<int> cuts;
};
Cheapest cheapest_cut(const std::vector<double>& weights, int parts, const Costs& with_part) {
  const int blocks = static_cast<int>(weights.size());
  const auto at = [row = weights.size() + 1](int part, int block) {
    return static_cast<std::size_t>(part) * row + static_cast<std::size_t>(block);
  };
  std::vector<double> before(1, 0);  // the weight of the blocks before each
  for (const double weight : weights) before.push_back(before.back() + weight);
  std::vector<double> cost(at(parts + 1, 0), impossible);
  std::vector<int> last_first(cost.size());
  cost[0] = 0;
  for (int part = 1; part <= parts; ++part)
    for (int n = part; n <= blocks; ++n)
      for (int first = part - 1; first < n; ++first) {
        const double weight = before[static_cast<std::size_t>(n)] - before[static_cast<std::size_t>(first)];
        const double candidate = with_part(cost[at(part - 1, first)], weight);
        if (candidate >= cost[at(part, n)]) continue;
        cost[at(part, n)] = candidate;
        last_first[at(part, n)] = first;
      }
  Cheapest result{cost[at(parts, blocks)], {}};
  for (int part = parts, n = blocks; part > 1; --part) {
    n = last_first[at(part, n)];
    result.cuts.insert(result.cuts.begin(), n);
  }
  return result;
}

}  // namespace

std::vector<BlockRange> uniform_cut(int blocks, int stages, int chunks) {
  check_sizes(blocks, stages, chunks);
  if (blocks % chunks != 0)
    throw usage_error(
        "{} blocks in {} chunks: a uniform partition takes a multiple of the chunks; nearest {} and {} blocks, or the "
        "balanced partition",
        blocks, chunks, blocks / chunks * chunks, (blocks / chunks + 1) * chunks);
  const int per_chunk = blocks / chunks, base = per_chunk / stages, remainder = per_chunk % stages;
  std::vector<BlockRange> parts;
  for (int part = 0, first = 0; part < stages * chunks; ++part) {
    const int count = base + (part % stages >= stages - remainder ? 1 : 0);
    parts.push_back({first, first + count});
    first += count;
  }
  return parts;
}

std::vector<BlockRange> balanced_cut(const std::vector<double>& weights, int stages, int chunks) {
  const int blocks = static_cast<int>(weights.size()), parts = stages * chunks;
  check_sizes(blocks, stages, chunks);
  for (const double weight : weights) require(weight >= 0, "a block of weight {}", weight);
  const double heaviest =
      cheapest_cut(weights, parts, [](double so_far, double weight) { return std::max(so_far, weight); }).cost;
  const auto squares = [=](double so_far, double weight) {
    return weight > heaviest ? impossible : so_far + weight * weight;
  };
  return between(blocks, cheapest_cut(weights, parts, squares).cuts);
}

std::vector<BlockRange> customized_cut(int blocks, const std::vector<int>& cuts, int stages, int chunks) {
  check_sizes(blocks, stages, chunks);
  const int wanted = stages * chunks - 1;
  if (static_cast<int>(cuts.size()) != wanted)
    throw usage_error("the pipeline is cut at {} places, [{}]: {} stages with {} chunks each are cut at {}",
                      cuts.size(), fmt::join(cuts, ", "), stages, chunks, wanted);
  std::vector<BlockRange> parts = between(blocks, cuts);
  for (const BlockRange& part : parts)
    if (part.first >= part.last || part.last > blocks)
      throw usage_error("the pipeline is cut at [{}]: expected ascending numbers from 1 to {}", fmt::join(cuts, ", "),
                        blocks - 1);
  return parts;
}

}  // namespace ctrain
