// Collectives among GPUs by NCCL, on the rank's communication stream. The ranks' world on the host brings them
// together: it carries the id at which they meet, and agrees on groups.
#include <nccl.h>

#include <array>
#include <cstring>
#include <exception>
#include <thread>

#include "memory/error.h"
#include "parallel/comm/device_communicator.h"

namespace ctrain {
namespace {

void check(ncclResult_t status, const char* what, ncclComm_t comm = nullptr) {
  if (status == ncclSuccess) return;
  throw running_error("NCCL: {}: {} ({})", what, ncclGetErrorString(status), ncclGetLastError(comm));
}

ncclDataType_t type_of(DType type) {
  constexpr std::array types = {ncclFloat32, ncclFloat64, ncclInt32, ncclBfloat16, ncclFloat16};
  return types[static_cast<std::size_t>(type)];
}

ncclRedOp_t operation_of(Reduction reduction) { return reduction == Reduction::sum ? ncclSum : ncclMax; }

// ncclMax drops a NaN that meets a number, where a host's maximum keeps it: a NaN loss still shows, since it is a sum.
class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& host, std::unique_ptr<Communicator> owned, ncclComm_t comm, Stream& stream)
      : Communicator(host.rank(), host.ranks(), host.name()),
        owned_(std::move(owned)),
        host_(&host),
        comm_(comm),
        stream_(&stream) {}

  // A communicator that others may have left cannot be closed in order.
  ~NcclCommunicator() override {
    if (aborting_.joinable()) return;
    std::uncaught_exceptions() > exceptions_ ? ncclCommAbort(comm_) : ncclCommDestroy(comm_);
  }

  void reserve(std::size_t) override {}  // NCCL's own buffers do not depend on the calls
  [[nodiscard]] bool is_recordable() const override { return true; }

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) override {
    std::unique_ptr<Communicator> group = host_->subgroup(members, name);
    ncclComm_t comm = nullptr;  // every member of this group calls, each with its part: the parts' first members differ
    check(ncclCommSplit(comm_, members.front(), rank(), &comm, nullptr), "ncclCommSplit", comm_);
    Communicator& host = *group;
    return std::make_unique<NcclCommunicator>(host, std::move(group), comm, *stream_);
  }

  void abort(const std::string& message) override {
    give_up();
    host_->abort(message);
  }

  // At once it tells the kernels to end. Then it waits until no recorded work holds the communicator, which the thread
  // that owns that work must not wait for.
  void give_up() override {
    if (!aborting_.joinable()) aborting_ = std::jthread([comm = comm_] { ncclCommAbort(comm); });
  }

  void check_health() override {
    host_->check_health();
    ncclResult_t status = ncclSuccess;
    check(ncclCommGetAsyncError(comm_, &status), "ncclCommGetAsyncError", comm_);
    if (status == ncclSuccess || status == ncclInProgress) return;
    throw running_error("rank {}: collectives over '{}' (so far {}): {} ({})", world_rank(), name(), calls(),
                        ncclGetErrorString(status), ncclGetLastError(comm_));
  }

 protected:
  void execute(const CollectiveCall& call) override {
    auto* stream = static_cast<cudaStream_t>(stream_->native());
    const auto in = static_cast<std::size_t>(call.in.count), out = static_cast<std::size_t>(call.out.count);
    const ncclDataType_t type = type_of(call.in.dtype);
    const ncclRedOp_t operation = operation_of(call.reduction);
    const auto done = [&](ncclResult_t status) { check(status, std::string(name_of(call.collective)).c_str(), comm_); };
    switch (call.collective) {
      case Collective::all_gather:
        return done(ncclAllGather(call.in.data, call.out.data, in, type, comm_, stream));
      case Collective::all_reduce:
        return done(ncclAllReduce(call.in.data, call.out.data, in, type, operation, comm_, stream));
      case Collective::reduce_scatter:
        return done(ncclReduceScatter(call.in.data, call.out.data, out, type, operation, comm_, stream));
      case Collective::all_to_all: {  // ncclAlltoAll came with NCCL 2.28: later than CUDA 13.0
        const std::int64_t part = call.in.count / size();
        check(ncclGroupStart(), "ncclGroupStart", comm_);
        for (int member = 0; member < size(); ++member) {
          const void* to = call.in.part(member * part, part).data;
          void* from = call.out.part(member * part, part).data;
          check(ncclSend(to, static_cast<std::size_t>(part), type, member, comm_, stream), "ncclSend", comm_);
          check(ncclRecv(from, static_cast<std::size_t>(part), type, member, comm_, stream), "ncclRecv", comm_);
        }
        return done(ncclGroupEnd());
      }
      case Collective::broadcast:
        return done(ncclBroadcast(call.in.data, call.out.data, in, type, call.root, comm_, stream));
      case Collective::reduce:
        return done(ncclReduce(call.in.data, call.out.data, in, type, operation, call.root, comm_, stream));
      case Collective::shift:
        check(ncclGroupStart(), "ncclGroupStart", comm_);
        check(ncclSend(call.in.data, in, type, (rank() + 1) % size(), comm_, stream), "ncclSend", comm_);
        check(ncclRecv(call.out.data, out, type, (rank() + size() - 1) % size(), comm_, stream), "ncclRecv", comm_);
        return done(ncclGroupEnd());
      case Collective::barrier:
        stream_->synchronize();
        return host_->barrier();
    }
  }

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator* host_;
  ncclComm_t comm_;
  Stream* stream_;
  const int exceptions_ = std::uncaught_exceptions();  // that were in flight at construction
  std::jthread aborting_;
};

std::unique_ptr<Communicator> make_world(Communicator& host, Device& device, Stream& stream) {
  device.make_current();
  ncclUniqueId id{};
  if (host.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
  std::array<std::int32_t, sizeof id / sizeof(std::int32_t)> words{};
  std::memcpy(words.data(), &id, sizeof id);
  host.reserve(sizeof id);
  host.broadcast({words.data(), static_cast<std::int64_t>(words.size()), DType::i32}, 0);
  std::memcpy(&id, words.data(), sizeof id);
  ncclComm_t comm = nullptr;
  check(ncclCommInitRank(&comm, host.size(), id, host.rank()), "ncclCommInitRank");
  return std::make_unique<NcclCommunicator>(host, nullptr, comm, stream);
}

const Registration<DeviceCollectives> registration("cuda", {make_world});

}  // namespace
}  // namespace ctrain
