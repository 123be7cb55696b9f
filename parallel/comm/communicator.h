// A communicator is one group of ranks, seen from one member: a line of the mesh along an axis, or the whole world.
// Spans are typed and counted in elements, never bytes. Every collective delivers the same bits to every member and
// adds in a fixed order (that of the members), so replicated values stay equal and `local` and `mpi` give the same
// bits.
#pragma once

#include <array>
#include <cstddef>
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
  [[nodiscard]] Span part(std::int64_t begin, std::int64_t elements) const {
    return {static_cast<std::byte*>(data) + begin * static_cast<std::int64_t>(size_of(dtype)), elements, dtype};
  }
};

struct ConstSpan {
  const void* data = nullptr;
  std::int64_t count = 0;
  DType dtype = DType::f32;
  ConstSpan() = default;
  ConstSpan(const void* pointer, std::int64_t elements, DType type) : data(pointer), count(elements), dtype(type) {}
  ConstSpan(const Span& span) : data(span.data), count(span.count), dtype(span.dtype) {}  // NOLINT: as in std::span
  [[nodiscard]] ConstSpan part(std::int64_t begin, std::int64_t elements) const {
    return {static_cast<const std::byte*>(data) + begin * static_cast<std::int64_t>(size_of(dtype)), elements, dtype};
  }
  [[nodiscard]] std::int64_t bytes() const { return count * static_cast<std::int64_t>(size_of(dtype)); }
};

enum class Collective : std::uint8_t {
  all_gather,
  all_reduce,
  reduce_scatter,
  all_to_all,
  broadcast,
  reduce,
  shift,
  barrier
};
inline constexpr std::size_t collective_count = 8;
std::string_view name_of(Collective collective);

// Bytes that one member sends for one call, by the closed formulas of ring algorithms; `local` is what it holds before
// the call, n the size of the group. A broadcast costs its root (n - 1) local, a reduce costs every other member local,
// a shift costs local where n > 1, a barrier nothing.
//   all_gather (n-1) local    all_reduce 2 (n-1)/n local    reduce_scatter (n-1)/n local    all_to_all (n-1)/n local
std::int64_t bytes_sent(Collective collective, std::int64_t n, bool is_root, std::int64_t local_bytes);

// One call as a value, so that a plan can hold it. A broadcast has its data in `in` and `out` alike.
struct CollectiveCall {
  Collective collective = Collective::barrier;
  ConstSpan in = {};
  Span out = {};
  int root = 0;                          // of broadcast and reduce: a position in the group
  Reduction reduction = Reduction::sum;  // of all_reduce, reduce_scatter and reduce
};
std::string text_of(const CollectiveCall& call);  // "all_reduce of 1024 fp32 (sum)"

class Communicator {
 public:
  // `ranks` are the members' ranks in the world, in the order of their positions; `rank` is this member's position.
  Communicator(int rank, std::vector<int> ranks, std::string name);
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] int rank() const { return rank_; }  // this member's position in the group
  [[nodiscard]] int size() const { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] const std::vector<int>& ranks() const { return ranks_; }  // world ranks of the members
  [[nodiscard]] int world_rank() const { return ranks_[static_cast<std::size_t>(rank_)]; }
  [[nodiscard]] const std::string& name() const { return name_; }  // of the mesh axis, for messages
  [[nodiscard]] std::int64_t calls() const { return sequence_; }   // so far: the sequence number
  [[nodiscard]] std::int64_t sent(Collective c) const {
    return sent_[static_cast<std::size_t>(c)];
  }  // bytes_sent(), summed

  // Sizes: all_gather out.count = size * in.count, blocks in the order of members; reduce_scatter in.count = size *
  // out.count; all_to_all in.count = out.count, a multiple of size, block i goes to member i; the others in.count =
  // out.count. `in` and `out` do not overlap, but all_reduce may run in place. Only the root of a reduce has an `out`.
  // A maximum keeps NaN. All throw where sizes are wrong, another member called something else, did not come within the
  // timeout, or failed; the communicator and its relatives are of no use after that.
  void all_gather(ConstSpan in, Span out) { run({Collective::all_gather, in, out}); }
  void all_reduce(ConstSpan in, Span out, Reduction reduction) { run({Collective::all_reduce, in, out, 0, reduction}); }
  void reduce_scatter(ConstSpan in, Span out, Reduction reduction) {
    run({Collective::reduce_scatter, in, out, 0, reduction});
  }
  void all_to_all(ConstSpan in, Span out) { run({Collective::all_to_all, in, out}); }
  void broadcast(Span data, int root) { run({Collective::broadcast, data, data, root}); }
  void reduce(ConstSpan in, Span out, int root, Reduction reduction) {
    run({Collective::reduce, in, out, root, reduction});
  }
  void shift(ConstSpan in, Span out) {
    run({Collective::shift, in, out});
  }  // to the next member, from the previous one
  void barrier() { run({}); }
  void run(const CollectiveCall& call);
  // Counts a call that a device's recorded work makes without coming here.
  void count(const CollectiveCall& call);
  // Can a call be part of a device's recorded work?
  [[nodiscard]] virtual bool is_recordable() const { return false; }

  // Makes room for calls of up to `bytes` on this member's side, so that no call allocates.
  virtual void reserve(std::size_t bytes) = 0;

  // A part of this group; every member calls it with the list that contains itself (positions in this group,
  // ascending).
  virtual std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) = 0;

  // Throws what has gone wrong since with calls that a device carries out on its own, or with another rank, so that
  // they will never end.
  virtual void check_health() {}

  // Ends this member's part in calls that a device still carries out: nobody will join them. Its memory can be freed
  // then; the communicator is of no use any more.
  virtual void give_up() {}

  // Ends every other member's wait with an error that carries this message (called where a rank fails).
  virtual void abort(const std::string& message) = 0;

  // Where this member stands, for messages: "rank 3: all_reduce of 1024 fp32 (sum), number 17 over 'row'".
  [[nodiscard]] std::string standing_at(const CollectiveCall& call) const;
  [[nodiscard]] std::string text_of_members(const std::vector<int>& positions) const;  // "rank 3", "ranks 1, 3"

 protected:
  virtual void execute(const CollectiveCall& call) = 0;  // sizes are checked, the call is counted

  // For subgroup(): throws unless all members of the list gave the same one; returns their world ranks.
  std::vector<int> agree_on(const std::vector<int>& members, const std::string& name);

 private:
  int rank_;
  std::vector<int> ranks_;
  std::string name_;
  std::int64_t sequence_ = 0;
  std::array<std::int64_t, collective_count> sent_ = {};
};

}  // namespace ctrain
