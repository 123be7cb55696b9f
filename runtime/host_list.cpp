#include "runtime/host_list.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

#include "memory/error.h"

namespace ctrain {
namespace {

constexpr int most_hosts = 1 << 20;

std::optional<int> number_of(const std::string& text) {
  int number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  return failure == std::errc() && rest == end && number >= 0 ? std::optional(number) : std::nullopt;
}

// At commas outside of brackets.
std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : list) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && depth == 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// "01-04" -> 01, 02, 03, 04: as wide as the first number is written.
void expand_range(const std::string& range, std::vector<std::string>& numbers) {
  const std::size_t dash = range.find('-');
  const std::string first = range.substr(0, dash);
  const std::string last = dash == std::string::npos ? first : range.substr(dash + 1);
  const auto begin = number_of(first), end = number_of(last);
  if (!begin || !end || *begin > *end || *end - *begin >= most_hosts)
    throw usage_error("'[{}]': expected numbers and ranges, as in node[01-04,7]", range);
  for (int number = *begin; number <= *end; ++number) numbers.push_back(fmt::format("{:0{}}", number, first.size()));
}

// The first bracket, then what comes behind it.
std::vector<std::string> expand_name(const std::string& name) {
  const std::size_t open = name.find('['), close = name.find(']');
  const bool is_plain = open == std::string::npos && close == std::string::npos;
  if (name.empty() || (!is_plain && (open > close || close == std::string::npos)))
    throw usage_error("'{}': expected the name of a host, as in a,node[01-04]", name);
  if (name.find_first_of(" \t\"'\\$`;|&<>()") != std::string::npos || name.front() == '-')
    throw usage_error("'{}': not the name of a host", name);
  if (is_plain) return {name};
  std::vector<std::string> numbers, names;
  for (const std::string& range : split(name.substr(open + 1, close - open - 1))) expand_range(range, numbers);
  const std::string rest = name.substr(close + 1);
  const std::vector<std::string> ends = rest.empty() ? std::vector<std::string>{""} : expand_name(rest);
  for (const std::string& number : numbers)
    for (const std::string& end : ends) names.push_back(fmt::format("{}{}{}", name.substr(0, open), number, end));
  return names;
}

// How often each was named, and the slots that were said: where names are repeated, one without any is one slot.
class HostCollector {
 public:
  void add(const std::string& name, int slots) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
    Entry& entry = found == entries_.end() ? entries_.emplace_back(Entry{name}) : *found;
    ++entry.times;
    entry.slots += slots > 0 ? slots : 1;
    entry.says_slots = entry.says_slots || slots > 0;
  }
  [[nodiscard]] std::vector<Host> hosts() const {
    const bool are_counted = std::any_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.times > 1; });
    std::vector<Host> hosts;
    for (const Entry& entry : entries_)
      hosts.push_back({entry.name, entry.says_slots || are_counted ? entry.slots : 0});
    return hosts;
  }

 private:
  struct Entry {
    std::string name;
    int times = 0, slots = 0;
    bool says_slots = false;
  };
  std::vector<Entry> entries_;
};

void add_line(const std::string& line, HostCollector& collector) {
  std::istringstream words(line.substr(0, line.find('#')));
  std::string names, word;
  if (!(words >> names)) return;
  int slots = 0;
  while (words >> word) {
    const auto number = word.starts_with("slots=") ? number_of(word.substr(6)) : std::nullopt;
    if (number.value_or(0) < 1) throw usage_error("'{}': expected slots=N, N >= 1", word);
    slots = *number;
  }
  for (const std::string& name : expand_hosts(names)) collector.add(name, slots);
}

}  // namespace

std::vector<std::string> expand_hosts(const std::string& list) {
  std::vector<std::string> names;
  for (const std::string& part : split(list))
    for (std::string& name : expand_name(part)) names.push_back(std::move(name));
  return names;
}

std::vector<Host> hosts_of_list(const std::string& list) {
  HostCollector collector;
  for (const std::string& name : expand_hosts(list)) collector.add(name, 0);
  return collector.hosts();
}

std::vector<Host> hosts_of_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw usage_error("{}: cannot be read; expected a file of hosts, one a line", path.string());
  HostCollector collector;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    try {
      add_line(line, collector);
    } catch (const Error& error) {
      throw usage_error("{}:{}: {}", path.string(), number, error.what());
    }
  }
  std::vector<Host> hosts = collector.hosts();
  if (hosts.empty()) throw usage_error("{}: names no host", path.string());
  return hosts;
}

std::vector<Host> choose_hosts(std::vector<Host> hosts, const std::string& include, const std::string& exclude) {
  if (include.empty() && exclude.empty()) return hosts;
  const std::vector<std::string> names = expand_hosts(include.empty() ? exclude : include);
  const auto is_named = [&](const Host& host) {
    return std::find(names.begin(), names.end(), host.name) != names.end();
  };
  for (const std::string& name : names)
    if (std::none_of(hosts.begin(), hosts.end(), [&](const Host& host) { return host.name == name; }))
      throw usage_error("{} {}: not one of the hosts", include.empty() ? "--exclude" : "--include", name);
  std::erase_if(hosts, [&](const Host& host) { return is_named(host) == include.empty(); });
  if (hosts.empty()) throw usage_error("--exclude {}: no host is left", exclude);
  return hosts;
}

}  // namespace ctrain
