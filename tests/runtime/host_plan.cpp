// The ranks that `ctrain run` starts, host by host.
#include "runtime/host_plan.h"

#include <catch2/catch.hpp>

#include "error_message.h"

namespace ctrain {
namespace {

using Catch::Contains;
using Nodes = std::vector<HostPlan::Node>;

std::string refusal(const HostOptions& options) {
  return usage_message([&] { static_cast<void>(plan_hosts(options)); });
}

TEST_CASE("Ranks are numbered host by host") {
  const HostPlan plan = plan_hosts({.list = "node[1-3]", .processes = 2});
  CHECK(plan.nodes == Nodes{{"node1", 0, 2}, {"node2", 2, 2}, {"node3", 4, 2}});
  CHECK(plan.ranks == 6);
  CHECK(plan.master == "node1");
  CHECK(plan.port == 29500);
  CHECK(plan_hosts({.list = "a,a,b"}).nodes == Nodes{{"a", 0, 2}, {"b", 2, 1}});
  CHECK(plan_hosts({.list = "node[1-3]", .processes = 1, .nodes = 2}).ranks == 2);
  const HostPlan here = plan_hosts({.processes = 4});
  CHECK(here.nodes == Nodes{{"localhost", 0, 4}});
  CHECK(here.master == "127.0.0.1");
  CHECK(here.port > 0);
}

TEST_CASE("--include or --exclude takes some of the hosts") {
  CHECK(plan_hosts({.list = "node[1-3]", .include = "node[2-3]", .processes = 1}).nodes ==
        Nodes{{"node2", 0, 1}, {"node3", 1, 1}});
  CHECK(plan_hosts({.list = "node[1-3]", .exclude = "node1", .processes = 1}).master == "node2");
  CHECK_THAT(refusal({.list = "a,b", .include = "a", .exclude = "b", .processes = 1}),
             Contains("--include and --exclude") && Contains("not both"));
  CHECK_THAT(refusal({.list = "a,b", .include = "c", .processes = 1}), Contains("--include c"));
  CHECK_THAT(refusal({.list = "a,b", .exclude = "c", .processes = 1}), Contains("--exclude c"));
  CHECK_THAT(refusal({.list = "a,b", .exclude = "a,b", .processes = 1}), Contains("no host is left"));
}

TEST_CASE("Plans that cannot be") {
  CHECK_THAT(refusal({.list = "a", .file = "b", .processes = 1}), Contains("--host and --hostfile"));
  CHECK_THAT(refusal({.list = "a,b"}), Contains("--nproc_per_node is missing"));
  CHECK_THAT(refusal({.list = "a,a", .processes = 3}), Contains("--nproc_per_node 3: a has 2 slots"));
  CHECK_THAT(refusal({.list = "a,b", .processes = 1, .nodes = 3}), Contains("--num_nodes 3: only 2 hosts are there"));
  for (const char* master : {"localhost", "127.0.0.1", "::1"})
    CHECK_THAT(
        refusal({.list = "a,b", .processes = 1, .master = master}),
        Contains(std::string("--master_addr ") + master) && Contains("2 hosts") && Contains("first host's name"));
  CHECK_THAT(refusal({.list = "localhost,b", .processes = 1}), Contains("--master_addr localhost"));
}

}  // namespace
}  // namespace ctrain
