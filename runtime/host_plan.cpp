#include "runtime/host_plan.h"

#include <unistd.h>

#include <array>
#include <charconv>

#include "memory/error.h"
#include "parallel/comm/rendezvous.h"
#include "parallel/comm/socket.h"
#include "runtime/host_list.h"
#include "runtime/launcher.h"

namespace ctrain {
namespace {

constexpr const char* this_host = "localhost";

void refuse_both(const std::string& a, const char* a_name, const std::string& b, const char* b_name) {
  if (!a.empty() && !b.empty()) throw usage_error("{} and {}: expected one of them, not both", a_name, b_name);
}

std::vector<Host> chosen_hosts(const HostOptions& options) {
  refuse_both(options.list, "--host", options.file, "--hostfile");
  refuse_both(options.include, "--include", options.exclude, "--exclude");
  std::vector<Host> hosts = {{this_host}};
  if (!options.list.empty()) hosts = hosts_of_list(options.list);
  if (!options.file.empty()) hosts = hosts_of_file(options.file);
  hosts = choose_hosts(std::move(hosts), options.include, options.exclude);
  if (const auto count = static_cast<std::size_t>(options.nodes.value_or(0)); count > 0) {
    if (count > hosts.size())
      throw usage_error("--num_nodes {}: only {} host{} there; name more with --host or --hostfile", count,
                        hosts.size(), hosts.size() == 1 ? " is" : "s are");
    hosts.resize(count);
  }
  return hosts;
}

int processes_on(const Host& host, const HostOptions& options) {
  if (!options.processes && host.slots == 0)
    throw usage_error("--nproc_per_node is missing; expected the number of processes on each host");
  if (options.processes && host.slots > 0 && *options.processes > host.slots)
    throw usage_error("--nproc_per_node {}: {} has {} slots", *options.processes, host.name, host.slots);
  return options.processes.value_or(host.slots);
}

HostPlan plan_of_agent(const HostOptions& options) {
  std::array<int, 3> numbers = {};  // first rank, processes, ranks
  const char* at = options.agent.data();
  const char* const end = at + options.agent.size();
  for (int& number : numbers) {
    const auto [rest, failure] = std::from_chars(at, end, number);
    if (failure != std::errc()) throw usage_error("--agent {}: this is for ctrain run's own use", options.agent);
    at = rest == end ? rest : rest + 1;
  }
  const auto [first, processes, ranks] = numbers;
  return {{{this_host, first, processes}}, ranks, options.master, options.port.value_or(0)};
}

}  // namespace

HostPlan plan_hosts(const HostOptions& options) {
  if (!options.agent.empty()) return plan_of_agent(options);
  const std::vector<Host> hosts = chosen_hosts(options);
  HostPlan plan;
  for (const Host& host : hosts) {
    const int processes = processes_on(host, options);
    plan.nodes.push_back({host.name, plan.ranks, processes});
    plan.ranks += processes;
  }
  const bool is_one_local = hosts.size() == 1 && is_this_host(hosts.front().name);
  plan.master = !options.master.empty() ? options.master : is_one_local ? "127.0.0.1" : hosts.front().name;
  plan.port = options.port.value_or(is_one_local ? free_port() : LauncherEnvironment::default_port);
  if (hosts.size() > 1 && is_local_everywhere(plan.master))
    throw usage_error(
        "--master_addr {}: every one of the {} hosts would look for rank 0 on itself; expected the first host's name "
        "or address as the others know it",
        plan.master, hosts.size());
  return plan;
}

bool is_local_everywhere(const std::string& name) { return name == this_host || is_loopback(name); }

bool is_this_host(const std::string& name) {
  std::array<char, 256> own = {};
  gethostname(own.data(), own.size() - 1);
  const std::string full = own.data();
  return is_local_everywhere(name) || name == full || name == full.substr(0, full.find('.'));
}

}  // namespace ctrain
