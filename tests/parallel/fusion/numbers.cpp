// Fused programs compute what the plain ones do, with as many operations.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <mutex>

#include "ops/philox.h"
#include "tests/parallel/fusion/model_programs.h"
#include "tests/support/program_on_rank.h"
#include "tests/support/run_ranks.h"

namespace ctrain::test {
namespace {

const std::array<StepGraph, 3>& steps() {
  static const std::array<StepGraph, 3> all{vit_step(), vit_step({.dropout = 0.1}), gpt2_step()};
  return all;
}

std::vector<Mode> modes() {
  return {make_mode("", 1, {1}), make_mode("", 2, {1}), make_mode("1d", 1, {2}), make_mode("2d", 1, {4}),
          make_mode("1d", 1, {2}, 2)};
}

// Numbers of this rank's own in everything that the program does not compute itself.
void fill(const ProgramOnRank& rank) {
  const auto fill_block = [&](BlockId id, const std::string& name) {
    const Block& block = rank.block(id);
    for (std::int64_t i = 0; i < block.operand.elements(); ++i) {
      const auto index = static_cast<std::uint64_t>(i);
      if (block.operand.dtype == DType::i32) {
        rank.data<std::int32_t>(id)[i] = static_cast<std::int32_t>(random_below(random_key(2, name), index, 10));
      } else {
        rank.data(id)[i] = random_normal(random_key(2, name), index);
      }
    }
  };
  for (const FeedBlock& feed : rank.program().feeds) fill_block(feed.block, feed.input);
  for (const auto& [name, id] : rank.program().persistent) fill_block(id, name);
}

// The largest relative difference between what the two keep, on any rank.
double fusion_error(const StepGraph& step, const Mode& mode) {
  double worst = 0;
  std::mutex mutex;
  run_ranks(mode.mesh.size(), [&](Communicator& world) {
    ProgramOnRank with(fused_program(step, mode, world.rank()), world);
    ProgramOnRank without(plain_program(step, mode, world.rank()), world);
    for (ProgramOnRank* rank : {&with, &without}) {
      fill(*rank);
      rank->run();
    }
    const std::lock_guard lock(mutex);
    for (const auto& [value, id] : without.program().kept) {
      const double *a = with.data(with.program().kept.at(value)), *b = without.data(id);
      for (std::int64_t i = 0; i < without.block(id).operand.elements(); ++i) {
        const double error = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      }
    }
  });
  return worst;
}

TEST_CASE("A fused program computes what the plain one does", "[fusion]") {
  for (const StepGraph& step : steps())
    for (const Mode& mode : modes()) {
      const double error = fusion_error(step, mode);
      INFO(mode.mesh.text() << ": " << error);
      CHECK(error < 1e-12);
    }
}

double flops(const Program& program) {
  double sum = 0;
  for (const Step& step : program.steps)
    if (const auto* local = std::get_if<LocalStep>(&step)) sum += local->flops;
  return sum;
}

TEST_CASE("Fused steps count their products' operations", "[fusion]") {
  for (const StepGraph& step : steps())
    for (const Mode& mode : modes()) CHECK(flops(fused_program(step, mode)) == flops(plain_program(step, mode)));
}

}  // namespace
}  // namespace ctrain::test
