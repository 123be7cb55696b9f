// For tests: a logical graph partitioned over the ranks of a mode and run once, ranks as threads, in fp64.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "parallel/partition.h"
#include "tests/support/program_on_rank.h"
#include "tests/support/run_ranks.h"

namespace ctrain::test {

struct GraphRun {
  using Bytes = std::map<std::pair<Collective, Axis>, std::int64_t>;

  std::map<const Value*, LogicalTensor> values;  // those fetched
  bool replicas_equal = true;                    // ranks that hold the same part of one hold the same bits
  std::vector<Bytes> planned, counted;           // sent per rank: what the program says, what its communicators counted
  [[nodiscard]] static std::int64_t total(const Bytes& bytes) {
    std::int64_t sum = 0;
    for (const auto& [key, sent] : bytes) sum += sent;
    return sum;
  }
};

// `given`: inputs and parameters by name.
inline GraphRun run_graph(const Graph& graph, const Mode& mode, const std::map<std::string, LogicalTensor>& given,
                          const PartitionOptions& options) {
  GraphRun result;
  result.planned.resize(static_cast<std::size_t>(mode.mesh.size()));
  result.counted = result.planned;
  std::mutex mutex;
  run_ranks(mode.mesh.size(), [&](Communicator& world) {
    ProgramOnRank rank(partition(graph, mode, world.rank(), options), world);
    const Program& program = rank.program();
    for (const FeedBlock& feed : program.feeds) {
      const ctrain::Block& block = rank.block(feed.block);
      if (block.operand.dtype == DType::i32) {
        cut_block(program, block, given.at(feed.input), rank.data<std::int32_t>(feed.block));
      } else {
        cut_block(program, block, given.at(feed.input), rank.data(feed.block));
      }
    }
    for (const auto& [name, id] : program.persistent) cut_block(program, rank.block(id), given.at(name), rank.data(id));
    rank.run();

    const std::lock_guard lock(mutex);
    const auto me = static_cast<std::size_t>(world.rank());
    result.planned[me] = program.bytes_sent;
    for (Axis axis = 0; axis < mode.mesh.axes().size(); ++axis) {
      for (std::size_t c = 0; c < collective_count; ++c) {
        const auto collective = static_cast<Collective>(c);
        const std::int64_t sent = rank.mesh().sent(axis, collective);
        if (sent > 0) result.counted[me][{collective, axis}] = sent;
      }
    }
    for (const auto& [value, id] : program.kept) {
      const auto [it, fresh] = result.values.try_emplace(value);
      if (fresh) it->second = unknown_tensor(program, value->dims);
      const bool equal = collect_block(program, rank.block(id), rank.data(id), it->second);
      result.replicas_equal = result.replicas_equal && equal;
    }
  });
  return result;
}

}  // namespace ctrain::test
