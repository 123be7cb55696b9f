// The one logger: messages for people, to the console and to the run's log.txt, which gets those from before its
// opening as well. An object that is handed around, never a global; each rank gets its own handle that names it:
//   Logger logger(console, LogLevel::info);
//   logger.open_file(run_folder / "log.txt");
//   logger.for_rank(3).warning("the loss is {}", loss);
// Console: "rank 3: warning: the loss is nan" (rank 0 and plain information go without their names).
// log.txt: "2024-05-01T12:00:00.123+0200 rank 3 warning: the loss is nan", so at the head of every line of a message.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "runtime/console/console.h"

namespace ctrain {

enum class LogLevel { error, warning, info, debug };

// The level of a name (error, warning, info, debug), or nothing.
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name);

// Thread-safe; handles of several ranks write whole messages, in one order on the console and in the file.
class Logger {
 public:
  // Messages above `level` are dropped from the console; log.txt always has those up to info. The console must outlive
  // every handle.
  Logger(Console& console, LogLevel level);

  [[nodiscard]] Logger for_rank(int rank) const;

  // From now on messages are appended to this file as well, after those that came before with their own times; a
  // running Error where it cannot be opened.
  void open_file(const std::filesystem::path& path);

  [[nodiscard]] Console& console() const;

  template <typename... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::error, format, fmt::make_format_args(args...));
  }
  template <typename... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::warning, format, fmt::make_format_args(args...));
  }
  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::info, format, fmt::make_format_args(args...));
  }
  template <typename... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::debug, format, fmt::make_format_args(args...));
  }

 private:
  struct Outputs;  // what all handles share

  Logger(std::shared_ptr<Outputs> outputs, int rank);
  void log(LogLevel level, fmt::string_view format, fmt::format_args args) const;

  std::shared_ptr<Outputs> outputs_;
  int rank_ = 0;
};

}  // namespace ctrain
