// ctrain run: ranks here and, through ssh, on other hosts.
#include <catch2/catch.hpp>

#include "fake_ssh.h"
#include "tests/support/gloo_ranks.h"

namespace ctrain {
namespace {

using Catch::Contains;
using Words = std::vector<std::string>;

Words run_on(const std::string& hosts, const Words& rest) {
  Words words = {"run",
                 "--host",
                 hosts,
                 "--nproc_per_node",
                 "2",
                 "--master_addr",
                 "0.0.0.0",
                 "--master_port",  // every host's own, as fake ssh has it
                 fmt::format("{}", free_port())};
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

TEST_CASE("Ranks on other hosts get their arguments as they are", "[run]") {
  if (lacks_gloo()) return;
  const Workplace place;
  place.write("job file.yaml", small_vit());
  const std::string odd = "a $HOME; 'b' \"c\" `d` $(e) \\ * & | > f\ng";
  const Ended ended =
      place.run(run_on("node[1-2]", {"--ssh-port", "2222", "--", "--config", "job file.yaml", "--output", odd}),
                with_fake_ssh(place));
  INFO(ended.error);
  CHECK(ended.exit_code == 0);
  CHECK(place.has(odd + "/summary.json"));
  std::string words = place.read("ssh-words");
  std::replace(words.begin(), words.end(), '\0', '\n');
  for (const char* host : {"node1", "node2"})
    CHECK_THAT(words, Contains(std::string("-o\nBatchMode=yes\n-p\n2222\n--\n") + host + "\ncd '"));
}

TEST_CASE("What goes wrong on another host ends the job with its exit code", "[run]") {
  if (lacks_gloo()) return;
  const Workplace place;
  place.write("bad.yaml", with(small_vit(), "depth: 1", "depth: x"));
  const Words launcher = with_fake_ssh(place);
  const Ended refused = place.run(run_on("node1,node2", {"--", "--config", "bad.yaml"}), launcher);
  CHECK(refused.exit_code == 2);
  CHECK_THAT(refused.error, Contains("model.depth: 'x'") && !Contains("rank"));

  place.write("bin/ssh", "#!/bin/sh\necho no route >&2; exit 255\n");
  place.write("good.yaml", small_vit());
  const Ended lost = place.run(run_on("node1,localhost", {"--", "--config", "good.yaml"}), launcher);
  INFO(lost.error);
  CHECK(lost.exit_code == 255);
  CHECK_THAT(lost.error, Contains("no route\n") && Contains("host node1 ended with exit code 255"));
}

TEST_CASE("ctrain run is told what is wrong before anything starts", "[run]") {
  const Workplace place;
  place.write("good.yaml", small_vit());
  const Words job = {"--", "--config", "good.yaml"};
  const auto refused = [&](Words words, const Words& parts) {
    words.insert(words.begin(), "run");
    words.insert(words.end(), job.begin(), job.end());
    check_refused(place, words, parts);
  };
  refused({}, {"--nproc_per_node is missing"});
  refused({"--nproc_per_node", "0"}, {"'0'", ">= 1"});
  refused({"--nproc_per_node", "1", "--host", "a,b", "--include", "a", "--exclude", "b"}, {"--include and --exclude"});
  refused({"--nproc_per_node", "1", "--host", "a,b", "--master_addr", "localhost"}, {"--master_addr", "2 hosts"});
  refused({"--nproc_per_node", "1", "--hostfile", "none"}, {"none: cannot be read"});
  refused({"--nproc_per_nod", "1"}, {"'--nproc-per-nod'", "did you mean '--nproc-per-node'?"});
  check_refused(place, {"run", "--nproc_per_node", "1"}, {"what to run is missing"});
}

}  // namespace
}  // namespace ctrain
