// ctrain run: starts the ranks of a job, here and through ssh on other hosts, where another ctrain run starts them.
#include <filesystem>

#include "memory/error.h"
#include "runtime/host_plan.h"
#include "runtime/supervisor.h"
#include "tools/ctrain/commands.h"

namespace ctrain {
namespace {

namespace fs = std::filesystem;

void add_ranks(const HostPlan& plan, const HostPlan::Node& node, const std::vector<std::string>& arguments,
               std::vector<SupervisedProgram>& programs) {
  for (int local = 0; local < node.processes; ++local) {
    const int rank = node.first_rank + local;
    SupervisedProgram& program = programs.emplace_back();
    program.name = fmt::format("rank {}", rank);
    program.arguments = arguments;
    program.environment = {{"RANK", fmt::format("{}", rank)},
                           {"WORLD_SIZE", fmt::format("{}", plan.ranks)},
                           {"LOCAL_RANK", fmt::format("{}", local)},
                           {"LOCAL_WORLD_SIZE", fmt::format("{}", node.processes)},
                           {"MASTER_ADDR", plan.master},
                           {"MASTER_PORT", fmt::format("{}", plan.port)}};
  }
}

// One word of a POSIX shell, whatever is in it: ssh hands its arguments to one on the other host.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

SupervisedProgram on_other_host(const HostPlan& plan, const HostPlan::Node& node, const std::optional<int>& ssh_port,
                                const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {arguments.front(),
                                    "run",
                                    "--agent",
                                    fmt::format("{}:{}:{}", node.first_rank, node.processes, plan.ranks),
                                    "--master-addr",
                                    plan.master,
                                    "--master-port",
                                    fmt::format("{}", plan.port),
                                    "--"};
  words.insert(words.end(), arguments.begin() + 1, arguments.end());
  std::string command = "cd " + quoted(fs::current_path()) + " && exec";
  for (const std::string& word : words) command += " " + quoted(word);
  SupervisedProgram program;
  program.name = "host " + node.host;
  program.is_remote = true;
  program.arguments = {"ssh", "-o", "BatchMode=yes"};
  if (ssh_port) program.arguments.insert(program.arguments.end(), {"-p", fmt::format("{}", *ssh_port)});
  program.arguments.insert(program.arguments.end(), {"--", node.host, command});
  return program;
}

}  // namespace

int run_on_hosts(const Options& options) {
  if (options.program.empty())
    throw usage_error("what to run is missing; expected ctrain run --nproc_per_node N -- --config FILE");
  const HostPlan plan = plan_hosts(options.hosts);
  std::vector<std::string> arguments = {fs::read_symlink("/proc/self/exe")};
  arguments.insert(arguments.end(), options.program.begin(), options.program.end());
  std::vector<SupervisedProgram> programs;
  for (const HostPlan::Node& node : plan.nodes) {
    if (is_this_host(node.host))
      add_ranks(plan, node, arguments, programs);
    else
      programs.push_back(on_other_host(plan, node, options.hosts.ssh_port, arguments));
  }
  return supervise(programs, !options.hosts.agent.empty());
}

}  // namespace ctrain
