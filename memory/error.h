// The one error type. What a user can mend before anything starts (usage, configuration, data) ends the program with
// exit code 2; what goes wrong while running ends it with 1.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace ctrain {

enum class ErrorKind {
  usage,    // the command line or the configuration: nothing was started or written
  running,  // a failure while running: a lost rank, a full disk, a file that changed
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const { return kind_; }
  [[nodiscard]] int exit_code() const { return kind_ == ErrorKind::usage ? 2 : 1; }

 private:
  ErrorKind kind_;
};

template <typename... Args>
[[nodiscard]] Error usage_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::usage, fmt::format(format, std::forward<Args>(args)...)};
}

template <typename... Args>
[[nodiscard]] Error running_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::running, fmt::format(format, std::forward<Args>(args)...)};
}

// Throws unless `condition` holds. For what the program itself must guarantee; never for a user's input.
template <typename... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition)
    throw Error(ErrorKind::running, "internal error: " + fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ctrain
