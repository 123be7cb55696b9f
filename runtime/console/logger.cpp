#include "runtime/console/logger.h"

#include <array>
#include <chrono>
#include <ctime>
#include <iterator>
#include <mutex>
#include <utility>

#include "memory/error.h"
#include "runtime/file.h"

namespace ctrain {

namespace {

constexpr std::array<std::string_view, 4> level_names{"error", "warning", "info", "debug"};

std::string_view name_of(LogLevel level) { return level_names[static_cast<std::size_t>(level)]; }

using Text = fmt::memory_buffer;  // messages of up to 500 bytes need no heap

void append_time(Text& text) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 32> date{}, zone{};
  const std::size_t date_size = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &local);
  const std::size_t zone_size = std::strftime(zone.data(), zone.size(), "%z", &local);
  fmt::format_to(std::back_inserter(text), "{}.{:03}{}", std::string_view(date.data(), date_size), milliseconds,
                 std::string_view(zone.data(), zone_size));
}

std::string_view view(const Text& text) { return {text.data(), text.size()}; }

}  // namespace

struct Logger::Outputs {
  Outputs(Console& where, LogLevel most) : console(where), level(most) {}

  // Lines for the file, or for the time when it will be open. The mutex is held.
  void keep(std::string_view lines) {
    constexpr std::size_t most_early_bytes = 1 << 16;  // not every process ever opens a file
    if (early && early->size() + lines.size() <= most_early_bytes) early->append(lines);
    if (!file) return;
    try {
      file->write(lines);
    } catch (const Error& problem) {  // a message must not end what it tells of
      file.reset();
      console.print(problem.what());
    }
  }

  Console& console;
  LogLevel level;
  std::mutex mutex;
  std::optional<File> file;
  std::optional<Text> early{std::in_place};  // lines from before a file was opened; nothing afterwards
};

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (const LogLevel level : {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
    if (name == name_of(level)) return level;
  }
  return std::nullopt;
}

Logger::Logger(Console& console, LogLevel level) : outputs_(new Outputs(console, level)) {}

Logger::Logger(std::shared_ptr<Outputs> outputs, int rank) : outputs_(std::move(outputs)), rank_(rank) {}

Logger Logger::for_rank(int rank) const { return {outputs_, rank}; }

void Logger::open_file(const std::filesystem::path& path) {
  const std::lock_guard lock(outputs_->mutex);
  outputs_->file.emplace(File::append(path));
  if (!outputs_->early) return;
  const Text early = std::move(*outputs_->early);
  outputs_->early.reset();
  outputs_->keep(view(early));
}

Console& Logger::console() const { return outputs_->console; }

void Logger::log(LogLevel level, fmt::string_view format, fmt::format_args args) const {
  const bool on_console = level <= outputs_->level;
  if (!on_console && level > LogLevel::info) return;
  Text message;
  fmt::vformat_to(std::back_inserter(message), format, args);

  const std::lock_guard lock(outputs_->mutex);
  if (on_console) {
    Text text;
    if (rank_ != 0) fmt::format_to(std::back_inserter(text), "rank {}: ", rank_);
    if (level != LogLevel::info) fmt::format_to(std::back_inserter(text), "{}: ", name_of(level));
    text.append(message);
    outputs_->console.print(view(text));
  }
  if (!outputs_->file && !outputs_->early) return;
  Text lines;
  for (std::string_view rest = view(message); true;) {
    const std::size_t end = rest.find('\n');
    append_time(lines);
    fmt::format_to(std::back_inserter(lines), " rank {} {}: {}\n", rank_, name_of(level), rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  outputs_->keep(view(lines));
}

}  // namespace ctrain
