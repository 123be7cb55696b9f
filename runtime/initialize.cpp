#include "runtime/initialize.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "ops/philox.h"
#include "parallel/block_runs.h"

namespace ctrain {
namespace {

// Normal, cut at two deviations: drawn again, under another key, until it is inside.
double truncated_normal(std::uint64_t key, std::uint64_t index) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    const double z = random_normal(key + attempt, index);
    if (std::abs(z) <= 2) return z;
  }
}

double draw(const Initializer& initializer, std::uint64_t key, std::uint64_t index) {
  switch (initializer.kind) {
    case Initializer::Kind::constant:
      return initializer.value;
    case Initializer::Kind::uniform:
      return (2 * random_uniform(key, index) - 1) * initializer.value;
    case Initializer::Kind::normal:
      return random_normal(key, index) * initializer.value;
    case Initializer::Kind::truncated_normal:
      return truncated_normal(key, index) * initializer.value;
  }
  return 0;
}

template <typename T>
void fill(const Program& program, const Block& block, std::uint64_t key, T* data) {
  std::vector<BlockRun> runs;
  visit_runs(program, program.rank, block, block.operand.dims, [&](const BlockRun& run) { runs.push_back(run); });
  const auto count = static_cast<std::int64_t>(runs.size());
#pragma omp parallel for
  for (std::int64_t r = 0; r < count; ++r) {
    const BlockRun& run = runs[static_cast<std::size_t>(r)];
    for (std::int64_t i = 0; i < run.length; ++i) {
      const auto index = static_cast<std::uint64_t>(run.logical + i * run.stride);
      data[run.local + i] = static_cast<T>(draw(block.value->initializer, key, index));
    }
  }
}

}  // namespace

void initialize(const Program& program, const Block& block, std::uint64_t seed, void* data) {
  const std::uint64_t key = random_key(seed, block.value->name);
  if (block.operand.dtype == DType::f64) {
    fill(program, block, key, static_cast<double*>(data));
  } else {
    fill(program, block, key, static_cast<float*>(data));
  }
}

}  // namespace ctrain
