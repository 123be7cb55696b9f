// Lists and files of hosts.
#include "runtime/host_list.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "error_message.h"
#include "temporary_folder.h"

namespace ctrain {
namespace {

using Catch::Contains;
using Names = std::vector<std::string>;

TEST_CASE("Ranges in the names of hosts") {
  CHECK(expand_hosts("a") == Names{"a"});
  CHECK(expand_hosts("a,node[01-04,7],b") == Names{"a", "node01", "node02", "node03", "node04", "node7", "b"});
  CHECK(expand_hosts("node[8-11]") == Names{"node8", "node9", "node10", "node11"});
  CHECK(expand_hosts("r[1-2]n[0-1].org") == Names{"r1n0.org", "r1n1.org", "r2n0.org", "r2n1.org"});
  CHECK(expand_hosts("10.0.0.[1-2]") == Names{"10.0.0.1", "10.0.0.2"});
  for (const char* wrong : {"", "a,,b", "node[", "node]", "node[1-]", "node[4-1]", "node[a-b]", "node[]", "node[-1]",
                            "a b", "-oProxyCommand=x", "$(id)", "a;b", "node[0-99999999999]"}) {
    INFO(wrong);
    CHECK_THROWS_AS(expand_hosts(wrong), Error);
  }
}

TEST_CASE("A name that stands there several times has as many slots, as in PBS_NODEFILE") {
  CHECK(hosts_of_list("a,b") == std::vector<Host>{{"a", 0}, {"b", 0}});
  CHECK(hosts_of_list("b,a,b,b") == std::vector<Host>{{"b", 3}, {"a", 1}});
}

TEST_CASE("Files of hosts") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "hosts";
  const auto hosts_of = [&](const std::string& text) {
    std::ofstream(path) << text;
    return hosts_of_file(path);
  };
  CHECK(hosts_of("# ours\n\na # the first\n  node[01-02]\tslots=4\r\nb") ==
        std::vector<Host>{{"a", 0}, {"node01", 4}, {"node02", 4}, {"b", 0}});
  CHECK(hosts_of("n1\nn1\nn2\nn1\n") == std::vector<Host>{{"n1", 3}, {"n2", 1}});
  CHECK(hosts_of("a slots=2\na slots=1\n") == std::vector<Host>{{"a", 3}});
  CHECK_THAT(usage_message([&] { hosts_of("a\nb slots=0\n"); }),
             Contains(path.string() + ":2: 'slots=0'") && Contains("slots=N"));
  CHECK_THAT(usage_message([&] { hosts_of("a\n\nb gpus=2\n"); }), Contains(":3: 'gpus=2'"));
  CHECK_THAT(usage_message([&] { hosts_of("node[1-\n"); }), Contains(":1: 'node[1-'"));
  CHECK_THAT(usage_message([&] { hosts_of("# nobody\n"); }), Contains("names no host"));
  CHECK_THAT(usage_message([&] { hosts_of_file(folder.path() / "none"); }), Contains("cannot be read"));
}

}  // namespace
}  // namespace ctrain
