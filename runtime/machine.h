// What this process may use of its machine.
#pragma once

#include <cstdint>
#include <string>

namespace ctrain {

// Cores that this process may run on, at least 1.
[[nodiscard]] int usable_cores();

struct HostMemory {
  std::int64_t total = 0, available = 0;  // bytes; the smaller of the machine's and its control group's
};
[[nodiscard]] HostMemory host_memory();

[[nodiscard]] std::string processor_name();  // "" where the system does not say it

// The path of a program that can be started by its name; "" where there is none.
[[nodiscard]] std::string find_program(const std::string& name);

[[nodiscard]] std::string nvidia_driver();  // its version; "" where it is not loaded

}  // namespace ctrain
