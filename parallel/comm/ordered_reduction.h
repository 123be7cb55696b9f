// The one place where communicators add: always in the order of the members, so that `local` and `mpi`, small and
// large, in place or not, give the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "ops/dtype.h"
#include "ops/op.h"

namespace ctrain {

// target[i] = (source_0[i] + source_1[i]) + source_2[i] ..., 0 <= i < count, for every target; or the maximum, NaN
// where one is NaN. bf16 and fp16 are added in fp32 and rounded once. A target may be one of the sources; apart from
// that they do not overlap.
void reduce_in_order(DType dtype, Reduction reduction, std::span<const void* const> sources,
                     std::span<void* const> targets, std::int64_t count);

// The part of `count` elements that member `member` of `members` reduces for all: whole cache lines, nearly equal
// parts.
struct Slice {
  std::int64_t begin, count;
};
Slice slice_of(std::int64_t count, DType dtype, int member, int members);

}  // namespace ctrain
