// Collectives of device memory through the host: down to pinned memory, the host's collective, and up again, in the
// order of the communication stream. Sums are the host's: ordered, the same bits everywhere.
#include <algorithm>

#include "memory/error.h"
#include "parallel/comm/device_communicator.h"

namespace ctrain {
namespace {

class StagedCommunicator final : public Communicator {
 public:
  // `owned` is nullptr for the world, which somebody else owns.
  StagedCommunicator(Communicator& host, std::unique_ptr<Communicator> owned, Device& device, Stream& stream)
      : Communicator(host.rank(), host.ranks(), host.name()),
        owned_(std::move(owned)),
        host_(&host),
        device_(&device),
        stream_(&stream) {}

  void reserve(std::size_t bytes) override {
    host_->reserve(bytes);
    if (bytes <= in_.size()) return;
    stream_->synchronize();  // what still comes from the old memory
    in_ = HostBuffer(*device_, bytes);
    out_ = HostBuffer(*device_, bytes);
  }

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members, const std::string& name) override {
    std::unique_ptr<Communicator> group = host_->subgroup(members, name);
    Communicator& host = *group;
    return std::make_unique<StagedCommunicator>(host, std::move(group), *device_, *stream_);
  }

  void abort(const std::string& message) override { host_->abort(message); }

 protected:
  void execute(const CollectiveCall& call) override {
    const bool in_place = call.collective == Collective::broadcast;  // one span, sent by the root only
    const bool sends = call.in.count > 0 && (!in_place || rank() == call.root);
    CollectiveCall staged = call;
    const auto most = static_cast<std::size_t>(std::max(call.in.bytes(), ConstSpan(call.out).bytes()));
    require(most <= in_.size(), "{}: {} bytes were reserved", standing_at(call), in_.size());
    if (sends) device_->download(in_.data(), call.in.data, static_cast<std::size_t>(call.in.bytes()), *stream_);
    stream_->synchronize();  // also what the call before uploaded
    staged.in.data = in_.data();
    staged.out.data = call.out.count == 0 ? nullptr : in_place ? in_.data() : out_.data();
    host_->run(staged);
    const bool receives = call.out.count > 0 && (!in_place || rank() != call.root);
    if (receives)
      device_->upload(call.out.data, staged.out.data, static_cast<std::size_t>(ConstSpan(call.out).bytes()), *stream_);
  }

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator* host_;
  Device* device_;
  Stream* stream_;
  HostBuffer in_, out_;
};

}  // namespace

std::unique_ptr<Communicator> make_staged_world(Communicator& host, Device& device, Stream& stream) {
  return std::make_unique<StagedCommunicator>(host, nullptr, device, stream);
}

std::unique_ptr<Communicator> make_device_world(const std::string& kind, DeviceWorld how, Communicator& host,
                                                Device& device, Stream& stream) {
  if (how == DeviceWorld::staged) return make_staged_world(host, device, stream);
  return DeviceCollectivesRegistry::instance().get(kind).make_world(host, device, stream);
}

}  // namespace ctrain
