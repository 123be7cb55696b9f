// Runs a test's ranks as threads that talk through gloo, as processes would; nothing where the build lacks gloo.
#pragma once

#include <catch2/catch.hpp>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/comm/rendezvous_backend.h"

namespace ctrain {

// What every rank's body threw, "" for nothing. A rank that throws ends the others, as launch_ranks does.
inline std::vector<std::string> run_gloo_ranks(int n, const WaitPolicy& policy,
                                               const std::function<void(Communicator& world)>& body) {
  const RendezvousBackend& gloo = RendezvousBackends::instance().get("gloo");
  const int port = free_port();
  std::vector<std::string> messages(static_cast<std::size_t>(n));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < n; ++rank)
      threads.emplace_back([&, rank] {
        try {
          const auto world = gloo.make_world({"127.0.0.1", port, rank, n}, policy);
          try {
            body(*world);
          } catch (const std::exception& error) {
            world->abort(error.what());
            throw;
          }
        } catch (const std::exception& error) {
          messages[static_cast<std::size_t>(rank)] = error.what();
        }
      });
  }
  return messages;
}

// Whether a test that needs gloo is to be left out; it then says so.
inline bool lacks_gloo() {
  const bool lacks = RendezvousBackends::instance().find("gloo") == nullptr;
  if (lacks) WARN("skipped: this build has no gloo");
  return lacks;
}

}  // namespace ctrain
