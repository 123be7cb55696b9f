// Where the elements of a block stand: in another operand, which may lack or permute some of its dimensions, or in the
// logical tensor. Computed on the host into a few nested loops, with neighbouring dimensions joined where they can be.
#pragma once

#include <algorithm>

#include "ops/cuda/launch.h"

namespace ctrain::cuda {

// a / b of numbers that are not negative: most fit into 32 bits, where division is several times as fast.
__device__ inline std::int64_t divide(std::int64_t a, std::int64_t b) {
  return ((a | b) >> 32) == 0 ? static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b) : a / b;
}

// Elements between neighbours along `name`; 0 where the operand lacks it.
inline std::int64_t stride(const Operand& operand, Name name) {
  if (!operand.dims.contains(name)) return 0;
  std::int64_t product = 1;
  for (auto i = static_cast<std::size_t>(operand.dims.index(name)) + 1; i < operand.shape.size(); ++i)
    product *= operand.shape[i];
  return product;
}

// A flat index over loops, slowest first -> an offset.
class Positions {
 public:
  Positions() = default;
  Positions(std::int64_t extent, std::int64_t stride) { add(extent, stride); }
  // A flat index over `names`, with the extents of `block`, -> an offset in `operand`.
  Positions(const Names& names, const Operand& block, const Operand& operand) {
    for (const Name name : names) add(block.extent(name), stride(operand, name));
  }
  // Of a flat index over all of `block`.
  Positions(const Operand& block, const Operand& operand) : Positions(block.dims, block, operand) {}

  [[nodiscard]] __device__ std::int64_t operator()(std::int64_t index) const {
    std::int64_t offset = 0;
    for (int i = count_ - 1; i > 0; --i) {
      const std::int64_t outer = divide(index, extents_[i]);
      offset += (index - outer * extents_[i]) * strides_[i];
      index = outer;
    }
    return offset + index * strides_[0];
  }

  // Are the offsets multiples of the index? Of how much?
  [[nodiscard]] bool is_line() const { return count_ <= 1; }
  [[nodiscard]] std::int64_t line_stride() const { return strides_[0]; }
  // Are n neighbours, from an index on that is a multiple of n, in one place? Or neighbours there too, from an offset
  // on that is a multiple of n?
  [[nodiscard]] bool is_constant(int n) const { return count_ == 0 || (strides_[count_ - 1] == 0 && fits(n)); }
  [[nodiscard]] bool is_contiguous(int n) const {
    return count_ > 0 && strides_[count_ - 1] == 1 && fits(n) && are_multiples(count_ - 1, n);
  }
  // Are all offsets multiples of n?
  [[nodiscard]] bool is_aligned(int n) const { return are_multiples(count_, n); }

 private:
  [[nodiscard]] bool fits(int n) const { return extents_[count_ - 1] % n == 0; }
  [[nodiscard]] bool are_multiples(int loops, int n) const {
    return std::all_of(strides_, strides_ + loops, [n](std::int64_t stride) { return stride % n == 0; });
  }

  void add(std::int64_t extent, std::int64_t stride) {
    if (extent == 1) return;
    if (count_ > 0 && strides_[count_ - 1] == extent * stride) {
      extents_[count_ - 1] *= extent;
      strides_[count_ - 1] = stride;
      return;
    }
    extents_[count_] = extent;
    strides_[count_++] = stride;
  }

  int count_ = 0;
  std::int64_t extents_[Names::capacity]{}, strides_[Names::capacity]{};
};

// A flat index over a block -> the flat index, row-major with LOGICAL extents, over those of its dimensions that are in
// `over` (ops/dropout_mask.h).
class LogicalIndex {
 public:
  LogicalIndex(const LocalNode& node, const Operand& block, const Names& over) {
    std::int64_t logical_stride = 1;
    for (const Name name : over) logical_stride *= node.extent(name);
    for (const Name name : block.dims) {
      const bool counts = over.contains(name);
      if (counts) logical_stride /= node.extent(name);
      add(indices_of(node, name), block.extent(name), counts ? logical_stride : 0);
    }
  }

  [[nodiscard]] __device__ std::int64_t operator()(std::int64_t index) const {
    std::int64_t sum = 0;
    for (int i = count_ - 1; i >= 0; --i) {
      const std::int64_t outer = i > 0 ? divide(index, extents_[i]) : 0;
      if (strides_[i] != 0) sum += indices_[i].logical(index - outer * extents_[i]) * strides_[i];
      index = outer;
    }
    return sum;
  }

  // By how much it grows from one element to the next: 1, or 0 where the last dimension does not count.
  [[nodiscard]] __host__ __device__ bool grows() const { return count_ > 0 && strides_[count_ - 1] != 0; }
  // Does that hold for n neighbours from a multiple of n on?
  [[nodiscard]] bool is_regular(int n) const {
    if (count_ == 0) return true;
    const std::int64_t extent = extents_[count_ - 1], first_run = indices_[count_ - 1].first_length;
    return (count_ == 1 || extent % n == 0) && (!grows() || first_run == extent || first_run % n == 0);
  }

 private:
  void add(Indices indices, std::int64_t extent, std::int64_t stride) {
    const bool is_whole = indices.start[0] == 0 && indices.first_length == extent && indices.extent == extent;
    if (count_ > 0 && (stride == 0 ? strides_[count_ - 1] == 0 : is_whole && strides_[count_ - 1] == extent * stride)) {
      Indices& joined = indices_[count_ - 1];
      for (std::int64_t* number : {&joined.start[0], &joined.start[1], &joined.first_length, &joined.extent})
        *number *= extent;
      extents_[count_ - 1] *= extent;
      strides_[count_ - 1] = stride;
      return;
    }
    indices_[count_] = indices;
    extents_[count_] = extent;
    strides_[count_++] = stride;
  }

  int count_ = 0;
  Indices indices_[Names::capacity]{};
  std::int64_t extents_[Names::capacity]{}, strides_[Names::capacity]{};
};

}  // namespace ctrain::cuda
