// The one way to make things known by name (ops, modes, models, datasets, hooks ...): a static Registration in the file
// that defines the thing. Filled before main() and only read afterwards.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "memory/error.h"

namespace ctrain {

template <typename Entry>
class Registry {
 public:
  static Registry& instance() {
    static Registry registry;
    return registry;
  }
  void add(const std::string& name, Entry entry) {
    if (!entries_.emplace(name, std::move(entry)).second) throw running_error("'{}' is registered twice", name);
  }
  [[nodiscard]] const Entry* find(const std::string& name) const {
    const auto it = entries_.find(name);
    return it == entries_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] const Entry& get(const std::string& name) const {
    const Entry* entry = find(name);
    require(entry != nullptr, "nothing is registered as '{}'", name);
    return *entry;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, entry] : entries_) result.push_back(name);
    return result;
  }

 private:
  std::map<std::string, Entry> entries_;
};

template <typename Entry>
struct Registration {
  Registration(const std::string& name, Entry entry) { Registry<Entry>::instance().add(name, std::move(entry)); }
};

}  // namespace ctrain
