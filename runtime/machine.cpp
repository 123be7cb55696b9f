#include "runtime/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "runtime/environment.h"

namespace ctrain {

namespace fs = std::filesystem;

namespace {

// What follows "key   :" in a file of such lines; "" where there is none.
std::string entry(const char* path, const std::string& key) {
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1) != key) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::int64_t kibibytes(const std::string& key) {
  const std::string text = entry("/proc/meminfo", key);
  return text.empty() ? 0 : std::stoll(text) * 1024;
}

// A file with one number; `otherwise` where it is missing or says "max".
std::int64_t number_in(const char* path, std::int64_t otherwise) {
  std::int64_t number = 0;
  return std::ifstream(path) >> number ? number : otherwise;
}

// Of a control group: version 2, then 1.
void limit(HostMemory& memory, const char* most_path, const char* used_path) {
  const std::int64_t most = number_in(most_path, memory.total);
  if (most >= memory.total) return;
  memory.total = most;
  memory.available = std::clamp<std::int64_t>(most - number_in(used_path, 0), 0, memory.available);
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

HostMemory host_memory() {
  HostMemory memory = {kibibytes("MemTotal"), kibibytes("MemAvailable")};
  limit(memory, "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
  limit(memory, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes");
  return memory;
}

std::string processor_name() { return entry("/proc/cpuinfo", "model name"); }

std::string find_program(const std::string& name) {
  std::istringstream folders(word_from_environment({"PATH"}));
  for (std::string folder; std::getline(folders, folder, ':');)
    if (std::string path = fs::path(folder) / name; access(path.c_str(), X_OK) == 0) return path;
  return "";
}

std::string nvidia_driver() {  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 ..."
  const std::string text = entry("/proc/driver/nvidia/version", "NVRM version");
  const std::regex version(R"(\s(\d+\.\d+(\.\d+)?)\s)");
  std::smatch match;
  return std::regex_search(text, match, version) ? match[1].str() : text;
}

}  // namespace ctrain
