// Which ranks `ctrain run` starts on which hosts, and where they meet.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ctrain {

// What the command line says; "" and nothing: not said.
struct HostOptions {
  std::string list = {}, file = {};        // hosts, by --host or --hostfile; neither: this one
  std::string include = {}, exclude = {};  // some of them
  std::optional<int> processes = {}, nodes = {}, port = {}, ssh_port = {};
  std::string master = {};
  std::string agent = {};  // "first:count:ranks", where another ctrain run has planned already
};

struct HostPlan {
  struct Node {
    std::string host;
    int first_rank = 0, processes = 1;
    bool operator==(const Node&) const = default;
  };
  std::vector<Node> nodes;
  int ranks = 0;
  std::string master;  // host of rank 0
  int port = 0;
};

// A usage Error where options exclude each other, a host has too few slots, or several hosts are to meet at a name that
// means another host on each of them.
[[nodiscard]] HostPlan plan_hosts(const HostOptions& options);

// A name that every host takes for itself: "localhost", 127.0.0.1, ...
[[nodiscard]] bool is_local_everywhere(const std::string& name);
[[nodiscard]] bool is_this_host(const std::string& name);

}  // namespace ctrain
