#include "parallel/comm/mpi.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <numeric>
#include <utility>

#include "memory/error.h"
#include "parallel/comm/mpi_exchange.h"
#include "parallel/comm/ordered_reduction.h"

namespace ctrain {
namespace {

// Up to here one round of (n - 1) whole spans is faster than two rounds of slices; also what MPI sends without asking.
constexpr std::int64_t small_bytes = 4096, cache_line = 64;

void check_mpi(int code, const char* what) {
  if (code != MPI_SUCCESS) throw running_error("MPI: {}: {}", what, mpi_error_text(code));
}

void copy(ConstSpan from, Span to) {
  if (from.count > 0) std::memcpy(to.data, from.data, static_cast<std::size_t>(from.bytes()));
}

class MpiCommunicator final : public Communicator {
 public:
  // Takes over `comm`.
  MpiCommunicator(MPI_Comm comm, int rank, std::vector<int> ranks, const std::string& name, const WaitPolicy& policy,
                  std::int64_t largest_message)
      : Communicator(rank, std::move(ranks), name),
        comm_(comm),
        policy_(policy),
        largest_message_(largest_message),
        exchange_(comm, *this, policy_, largest_message) {
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    sources_.resize(static_cast<std::size_t>(size()));
    reserve(0);
  }

  ~MpiCommunicator() override {
    int is_finalized = 0;
    MPI_Finalized(&is_finalized);
    if (is_finalized == 0) MPI_Comm_free(&comm_);
  }

  void reserve(std::size_t bytes) override {
    const auto n = static_cast<std::size_t>(size());
    grow_staging(std::max(bytes + 2 * n * cache_line, n * small_bytes));
    exchange_.reserve(2 * size(), static_cast<std::int64_t>(bytes / size_of(DType::f32)));
  }

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) override {
    std::vector<int> world_ranks = agree_on(members, name);
    const auto position = std::lower_bound(members.begin(), members.end(), rank()) - members.begin();
    MPI_Comm part = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split(comm_, members.front(), rank(), &part), "MPI_Comm_split");
    return std::make_unique<MpiCommunicator>(part, static_cast<int>(position), std::move(world_ranks), name, policy_,
                                             largest_message_);
  }

  void abort(const std::string& message) override {
    fmt::print(stderr, "rank {} failed: {}\n", world_rank(), message);
    std::fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }

 private:
  void execute(const CollectiveCall& call) override {
    const ConstSpan in = call.in;
    const std::int64_t block = in.count / size();
    exchange_.begin(call);
    switch (call.collective) {
      case Collective::all_gather:
        exchange([&](int member) { return call.out.part(member * in.count, in.count); }, [&](int) { return in; });
        return copy(in, call.out.part(rank() * in.count, in.count));
      case Collective::all_to_all:
        exchange([&](int member) { return call.out.part(member * block, block); },
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
        return exchange([](int) { return Span(); }, [](int) { return ConstSpan(); });
    }
  }

  // The next member first, so that not all send to the same one at once.
  template <typename Visit>
  void for_others(Visit visit) const {
    for (int step = 1; step < size(); ++step) visit((rank() + step) % size());
  }

  // One round with all others: what comes from a member, what goes to it.
  template <typename From, typename To>
  void exchange(From from, To to) {
    for_others([&](int member) { exchange_.receive(member, from(member)); });
    for_others([&](int member) { exchange_.send(member, to(member)); });
    exchange_.complete();
  }

  // Every member gets its own slice of `in` from all members and reduces it into `out`.
  template <typename SliceOf>
  void exchange_and_reduce(const CollectiveCall& call, SliceOf slice_of_member, Span out) {
    const auto slice_in = [&](int member) {
      const Slice slice = slice_of_member(member);
      return call.in.part(slice.begin, slice.count);
    };
    const ConstSpan mine = slice_in(rank());
    exchange([&](int member) { return staged(member, mine); }, slice_in);
    for (int member = 0; member < size(); ++member)
      sources_[static_cast<std::size_t>(member)] = member == rank() ? mine.data : staged(member, mine).data;
    void* const target = out.data;
    reduce_in_order(mine.dtype, call.reduction, sources_, {&target, 1}, mine.count);
  }

  void all_reduce_slices(const CollectiveCall& call) {
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
    exchange(slice_out, [&](int) { return slice_out(rank()); });
  }

  void reduce_slices(const CollectiveCall& call) {
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

  // Room for one span like `like` from every member, each on cache lines of its own.
  Span staged(int member, ConstSpan like) {
    const std::int64_t stride = (like.bytes() + cache_line - 1) / cache_line * cache_line;
    grow_staging(static_cast<std::size_t>(stride * size()));
    return {staging_.data() + stride * member, like.count, like.dtype};
  }

  void grow_staging(std::size_t bytes) {
    if (staging_.size() < bytes) staging_.resize(bytes);
  }

  MPI_Comm comm_;
  const WaitPolicy policy_;
  const std::int64_t largest_message_;
  MpiExchange exchange_;
  std::vector<std::byte> staging_;
  std::vector<const void*> sources_;  // of the reduction at hand; kept so that no call allocates
};

}  // namespace

bool MpiEnvironment::is_launched() {
  return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}

MpiEnvironment::MpiEnvironment(const WaitPolicy& policy, std::int64_t largest_message)
    : exceptions_(std::uncaught_exceptions()) {
  int granted = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &granted), "MPI_Init_thread");
  if (granted < MPI_THREAD_SERIALIZED) throw running_error("MPI: this build cannot be called from several threads");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm comm = MPI_COMM_NULL;  // an own one, so that nobody else's messages are taken for ours
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup");
  int rank = 0, size = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  std::vector<int> ranks(static_cast<std::size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  world_ = std::make_unique<MpiCommunicator>(comm, rank, std::move(ranks), "world", policy, largest_message);
}

MpiEnvironment::~MpiEnvironment() {
  if (std::uncaught_exceptions() > exceptions_) MPI_Abort(MPI_COMM_WORLD, 1);
  world_.reset();
  MPI_Finalize();
}

}  // namespace ctrain
