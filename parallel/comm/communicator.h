// A communicator is one group of ranks, seen from one member: a line of the mesh along an axis, or the whole world.
// Spans are typed and counted in elements, never bytes. Every collective delivers the same bits to every member and
// adds in a fixed order (that of the members), so replicated values stay equal and `local` and `mpi` give the same
// bits.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ops/dtype.h"
#include "ops/op.h"

namespace ctrain {

struct Span {
  void* data = nullptr;
  std::int64_t count = 0;
  DType dtype = DType::f32;
};

struct ConstSpan {
  const void* data = nullptr;
  std::int64_t count = 0;
  DType dtype = DType::f32;
  ConstSpan(const void* pointer, std::int64_t elements, DType type) : data(pointer), count(elements), dtype(type) {}
  ConstSpan(const Span& span) : data(span.data), count(span.count), dtype(span.dtype) {}  // NOLINT: as in std::span
};

enum class Collective : std::uint8_t { all_gather, all_reduce, reduce_scatter, all_to_all, broadcast, reduce, shift };
inline constexpr std::size_t collective_count = 7;
std::string_view name_of(Collective collective);

// Bytes that one member sends for one call, by the closed formulas of ring algorithms; `local` is what it holds before
// the call, n the size of the group. A broadcast costs its root (n - 1) local, a reduce costs every other member local.
//   all_gather (n-1) local    all_reduce 2 (n-1)/n local    reduce_scatter (n-1)/n local    all_to_all (n-1)/n local
std::int64_t bytes_sent(Collective collective, std::int64_t n, bool is_root, std::int64_t local_bytes);

class Communicator {
 public:
  Communicator(int rank, int size, std::string name) : rank_(rank), size_(size), name_(std::move(name)) {}
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] int rank() const { return rank_; }  // this member's position in the group
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] const std::string& name() const { return name_; }  // of the mesh axis, for messages

  // Sizes: all_gather out.count = size * in.count, blocks in the order of members; reduce_scatter in.count = size *
  // out.count; all_to_all in.count = out.count, a multiple of size, block i goes to member i; the others in.count =
  // out.count. `in` and `out` do not overlap, but all_reduce may run in place. Only the root of a reduce reads `out`.
  virtual void all_gather(ConstSpan in, Span out) = 0;
  virtual void all_reduce(ConstSpan in, Span out, Reduction reduction) = 0;
  virtual void reduce_scatter(ConstSpan in, Span out, Reduction reduction) = 0;
  virtual void all_to_all(ConstSpan in, Span out) = 0;
  virtual void broadcast(Span data, int root) = 0;
  virtual void reduce(ConstSpan in, Span out, int root, Reduction reduction) = 0;
  virtual void shift(ConstSpan in, Span out) = 0;  // to the next member, from the previous one, round the ring
  virtual void barrier() = 0;

  // Makes room for calls of up to `bytes` on this member's side, so that no call allocates.
  virtual void reserve(std::size_t bytes) = 0;

  // A part of this group; every member calls it with the list that contains itself (positions in this group,
  // ascending).
  virtual std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) = 0;

  // Ends every other member's wait with an error that carries this message (called where a rank fails).
  virtual void abort(const std::string& message) = 0;

 private:
  int rank_, size_;
  std::string name_;
};

}  // namespace ctrain
