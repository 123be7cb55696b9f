#include "parallel/comm/mpi.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <thread>
#include <utility>

#include "memory/error.h"
#include "parallel/comm/mpi_exchange.h"
#include "parallel/comm/pairwise.h"

namespace ctrain {

using namespace std::string_literals;

namespace {

// Ranks that have waited for the same one give up at the same time: each has its say before the first ends all.
constexpr std::chrono::milliseconds last_words(250);

void check_mpi(int code, const char* what) {
  if (code != MPI_SUCCESS) throw running_error("MPI: {}: {}", what, mpi_error_text(code));
}

class MpiCommunicator final : public PairwiseCommunicator {
 public:
  // Takes over `comm`.
  MpiCommunicator(MPI_Comm comm, int rank, std::vector<int> ranks, const std::string& name, const WaitPolicy& policy,
                  std::int64_t largest_message)
      : PairwiseCommunicator(rank, std::move(ranks), name, exchange_),
        comm_(comm),
        policy_(policy),
        largest_message_(largest_message),
        exchange_(comm, *this, policy_, largest_message) {
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    reserve(0);
  }

  ~MpiCommunicator() override {
    int is_finalized = 0;
    MPI_Finalized(&is_finalized);
    if (is_finalized == 0) MPI_Comm_free(&comm_);
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
    std::this_thread::sleep_for(last_words);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }

 private:
  MPI_Comm comm_;
  const WaitPolicy policy_;
  const std::int64_t largest_message_;
  MpiExchange exchange_;
};

}  // namespace

bool MpiEnvironment::is_launched() {
  return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}

std::string MpiEnvironment::library() {
  std::string text(MPI_MAX_LIBRARY_VERSION_STRING, '\0');
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  return text.substr(0, text.find_first_of(",\n\0"s));  // what follows is how it was packaged
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
