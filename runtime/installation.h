// What this build and this machine have, and how to get what they lack: `ctrain check -i`.
#pragma once

#include <string>
#include <vector>

namespace ctrain {

// How ctrain was configured, as CMake knows it; versions are "" where nothing was found.
struct BuildFacts {
  std::string version, commit, compiler, build_type, architecture, sanitizers;
  std::string cuda, cudnn, nccl;
};

struct InstallationPart {
  std::string group, name;
  bool found = true;
  std::string text;  // what is there, or the cure
};

[[nodiscard]] std::vector<InstallationPart> inspect_installation(const BuildFacts& build);

[[nodiscard]] std::string installation_table(const std::vector<InstallationPart>& parts);

}  // namespace ctrain
