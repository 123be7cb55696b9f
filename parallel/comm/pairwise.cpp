#include "parallel/comm/pairwise.h"

#include <algorithm>
#include <cstring>

#include "parallel/comm/ordered_reduction.h"

namespace ctrain {
namespace {

// Up to here one round of (n - 1) whole spans is faster than two rounds of slices; also what MPI sends without asking.
constexpr std::int64_t small_bytes = 4096, cache_line = 64;

void copy(ConstSpan from, Span to) {
  if (from.count > 0) std::memcpy(to.data, from.data, static_cast<std::size_t>(from.bytes()));
}

}  // namespace

PairwiseCommunicator::PairwiseCommunicator(int rank, std::vector<int> ranks, std::string name, Exchange& exchange)
    : Communicator(rank, std::move(ranks), std::move(name)), exchange_(exchange) {
  sources_.resize(static_cast<std::size_t>(size()));
}

void PairwiseCommunicator::reserve(std::size_t bytes) {
  const auto n = static_cast<std::size_t>(size());
  grow_staging(std::max(bytes + 2 * n * cache_line, n * small_bytes));
  exchange_.reserve(2 * size(), static_cast<std::int64_t>(bytes / size_of(DType::bf16)));  // of the shortest type
}

// The next member first, so that not all send to the same one at once.
template <typename Visit>
void PairwiseCommunicator::for_others(Visit visit) const {
  for (int step = 1; step < size(); ++step) visit((rank() + step) % size());
}

// One round with all others: what comes from a member, what goes to it.
template <typename From, typename To>
void PairwiseCommunicator::exchange_with_all(From from, To to) {
  for_others([&](int member) { exchange_.receive(member, from(member)); });
  for_others([&](int member) { exchange_.send(member, to(member)); });
  exchange_.complete();
}

// Every member gets its own slice of `in` from all members and reduces it into `out`.
template <typename SliceOf>
void PairwiseCommunicator::exchange_and_reduce(const CollectiveCall& call, SliceOf slice_of_member, Span out) {
  const auto slice_in = [&](int member) {
    const Slice slice = slice_of_member(member);
    return call.in.part(slice.begin, slice.count);
  };
  const ConstSpan mine = slice_in(rank());
  exchange_with_all([&](int member) { return staged(member, mine); }, slice_in);
  for (int member = 0; member < size(); ++member)
    sources_[static_cast<std::size_t>(member)] = member == rank() ? mine.data : staged(member, mine).data;
  void* const target = out.data;
  reduce_in_order(mine.dtype, call.reduction, sources_, {&target, 1}, mine.count);
}

void PairwiseCommunicator::execute(const CollectiveCall& call) {
  const ConstSpan in = call.in;
  const std::int64_t block = in.count / size();
  exchange_.begin(call);
  switch (call.collective) {
    case Collective::all_gather:
      exchange_with_all([&](int member) { return call.out.part(member * in.count, in.count); },
                        [&](int) { return in; });
      return copy(in, call.out.part(rank() * in.count, in.count));
    case Collective::all_to_all:
      exchange_with_all([&](int member) { return call.out.part(member * block, block); },
                        [&](int member) { return in.part(member * block, block); });
      return copy(in.part(rank() * block, block), call.out.part(rank() * block, block));
    case Collective::reduce_scatter:
      return exchange_and_reduce(
          call,
          [&](int member) {
            return Slice{member * block, block};
          },
          call.out);
    case Collective::all_reduce:
      return all_reduce_slices(call);
    case Collective::reduce:
      return reduce_slices(call);
    case Collective::broadcast:
      if (rank() == call.root)
        for_others([&](int member) { exchange_.send(member, in); });
      else
        exchange_.receive(call.root, call.out);
      return exchange_.complete();
    case Collective::shift:
      if (size() == 1) return copy(in, call.out);
      exchange_.receive((rank() + size() - 1) % size(), call.out);
      exchange_.send((rank() + 1) % size(), in);
      return exchange_.complete();
    case Collective::barrier:
      return exchange_with_all([](int) { return Span(); }, [](int) { return ConstSpan(); });
  }
}

void PairwiseCommunicator::all_reduce_slices(const CollectiveCall& call) {
  const std::int64_t count = call.in.count;
  if (call.in.bytes() <= small_bytes)
    return exchange_and_reduce(
        call,
        [&](int) {
          return Slice{0, count};
        },
        call.out);
  const auto slice = [&](int member) { return slice_of(count, call.in.dtype, member, size()); };
  const auto slice_out = [&](int member) { return call.out.part(slice(member).begin, slice(member).count); };
  exchange_and_reduce(call, slice, slice_out(rank()));
  exchange_with_all(slice_out, [&](int) { return slice_out(rank()); });
}

void PairwiseCommunicator::reduce_slices(const CollectiveCall& call) {
  const auto slice = [&](int member) { return slice_of(call.in.count, call.in.dtype, member, size()); };
  const auto slice_out = [&](int member) { return call.out.part(slice(member).begin, slice(member).count); };
  if (rank() == call.root) {
    exchange_and_reduce(call, slice, slice_out(rank()));
    for_others([&](int member) { exchange_.receive(member, slice_out(member)); });
  } else {
    const Slice mine = slice(rank());
    const Span result = staged(rank(), call.in.part(mine.begin, mine.count));
    exchange_and_reduce(call, slice, result);
    exchange_.send(call.root, result);
  }
  exchange_.complete();
}

Span PairwiseCommunicator::staged(int member, ConstSpan like) {
  const std::int64_t stride = (like.bytes() + cache_line - 1) / cache_line * cache_line;
  grow_staging(static_cast<std::size_t>(stride * size()));
  return {staging_.data() + stride * member, like.count, like.dtype};
}

void PairwiseCommunicator::grow_staging(std::size_t bytes) {
  if (staging_.size() < bytes) staging_.resize(bytes);
}

}  // namespace ctrain
