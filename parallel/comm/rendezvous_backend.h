// A backend whose ranks are processes that meet at a rendezvous. It registers itself from its own file, so that a build
// without its library simply lacks the name.
#pragma once

#include <functional>
#include <memory>

#include "memory/registry.h"
#include "parallel/comm/communicator.h"
#include "parallel/comm/rendezvous.h"

namespace ctrain {

struct RendezvousBackend {
  // All ranks, in order. The world leaves the rendezvous when it goes; its abort() tells all ranks and returns.
  std::function<std::unique_ptr<Communicator>(const RendezvousPlace&, const WaitPolicy&)> make_world;
};

using RendezvousBackends = Registry<RendezvousBackend>;

}  // namespace ctrain
