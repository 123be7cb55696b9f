// Collectives of ranks whose blocks lie in the memory of accelerators. They are made from the ranks' world on the host,
// which brings them together.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "memory/device.h"
#include "memory/registry.h"
#include "parallel/comm/communicator.h"

namespace ctrain {

// The vendor's library ("nccl" under the device kind "cuda"): every rank has a device of its own. Collective.
struct DeviceCollectives {
  std::function<std::unique_ptr<Communicator>(Communicator& host, Device& device, Stream& stream)> make_world;
};
using DeviceCollectivesRegistry = Registry<DeviceCollectives>;

// Collectives through pinned host memory and the host's communicator: several ranks may share a device.
std::unique_ptr<Communicator> make_staged_world(Communicator& host, Device& device, Stream& stream);

// For the ranks of `host`, each with `device` and the stream on which collectives run: staged, or the vendor's.
enum class DeviceWorld { staged, vendor };
std::unique_ptr<Communicator> make_device_world(const std::string& kind, DeviceWorld how, Communicator& host,
                                                Device& device, Stream& stream);

}  // namespace ctrain
