#include "parallel/comm/ordered_reduction.h"

#include <algorithm>
#include <array>

#include "ops/narrow_floats.h"

namespace ctrain {
namespace {

constexpr std::int64_t cache_line = 64, block_bytes = 4096;  // a block stays in the L1 cache while it is added up

struct Sum {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
};

struct Max {
  template <typename T>
  T operator()(T a, T b) const {
    return b > a || b != b ? b : a;
  }
};

template <typename T, typename Operator>
void combine(Wide<T>* __restrict total, const T* __restrict source, std::int64_t count, Operator apply) {
  for (std::int64_t i = 0; i < count; ++i) total[i] = apply(total[i], static_cast<Wide<T>>(source[i]));
}

template <typename T, typename Operator>
void reduce_blocks(std::span<const void* const> sources, std::span<void* const> targets, std::int64_t count,
                   Operator apply) {
  constexpr std::int64_t block = block_bytes / static_cast<std::int64_t>(sizeof(Wide<T>));
  alignas(cache_line) std::array<Wide<T>, block> total;  // apart from the targets, since one may be a source
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const std::int64_t length = std::min(block, count - begin);
    const T* first = static_cast<const T*>(sources.front()) + begin;
    std::copy(first, first + length, total.data());
    for (const void* source : sources.subspan(1))
      combine(total.data(), static_cast<const T*>(source) + begin, length, apply);
    for (void* target : targets) std::copy(total.data(), total.data() + length, static_cast<T*>(target) + begin);
  }
}

template <typename T>
void reduce_typed(Reduction reduction, std::span<const void* const> sources, std::span<void* const> targets,
                  std::int64_t count) {
  if (reduction == Reduction::sum)
    reduce_blocks<T>(sources, targets, count, Sum());
  else
    reduce_blocks<T>(sources, targets, count, Max());
}

}  // namespace

void reduce_in_order(DType dtype, Reduction reduction, std::span<const void* const> sources,
                     std::span<void* const> targets, std::int64_t count) {
  switch (dtype) {
    case DType::f32:
      return reduce_typed<float>(reduction, sources, targets, count);
    case DType::f64:
      return reduce_typed<double>(reduction, sources, targets, count);
    case DType::i32:
      return reduce_typed<std::int32_t>(reduction, sources, targets, count);
    case DType::bf16:
      return reduce_typed<Bfloat16>(reduction, sources, targets, count);
    case DType::f16:
      return reduce_typed<Float16>(reduction, sources, targets, count);
  }
}

Slice slice_of(std::int64_t count, DType dtype, int member, int members) {
  const std::int64_t per_line = cache_line / static_cast<std::int64_t>(size_of(dtype));
  const std::int64_t lines = (count + per_line - 1) / per_line;
  const auto begin_of = [&](std::int64_t m) { return std::min(count, lines * m / members * per_line); };
  return {begin_of(member), begin_of(member + 1) - begin_of(member)};
}

}  // namespace ctrain
