// Lists of hosts as users and batch systems write them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ctrain {

// "a,node[01-04,7]" -> a, node01, ..., node04, node7. A usage Error where brackets or numbers are wrong.
std::vector<std::string> expand_hosts(const std::string& list);

struct Host {
  std::string name;
  int slots = 0;  // processes it has room for; 0: not said
  bool operator==(const Host&) const = default;
};

// In the order of first mention; where names are repeated, one that stands there k times has k slots, as in
// PBS_NODEFILE.
std::vector<Host> hosts_of_list(const std::string& list);

// One "name" or "name slots=N" a line, names as above, # for comments. A usage Error with file and line.
std::vector<Host> hosts_of_file(const std::filesystem::path& path);

// The hosts that `include` names, or those that `exclude` does not name; one of the two lists is "". A usage Error
// where a name is none of the hosts, or nobody is left.
std::vector<Host> choose_hosts(std::vector<Host> hosts, const std::string& include, const std::string& exclude);

}  // namespace ctrain
