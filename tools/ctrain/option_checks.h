// Validators of options' values, whose messages name the value and what was expected.
#pragma once

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <vector>

#include "runtime/config/nearest.h"

namespace ctrain {

inline constexpr const char* not_built = "is not built yet in this version";

template <typename Number>
CLI::Validator number(Number least, const std::string& expected, Number most = std::numeric_limits<Number>::max()) {
  return {[least, most, expected](const std::string& written) {
            Number value{};
            const char* end = written.data() + written.size();
            const auto [rest, failure] = std::from_chars(written.data(), end, value);
            // The comparison is false for not-a-number as well.
            const bool right = failure == std::errc() && rest == end && value >= least && value <= most;
            return right ? std::string() : fmt::format("'{}': expected {}", written, expected);
          },
          ""};
}

inline CLI::Validator one_of(std::vector<std::string> built, std::vector<std::string> later = {}) {
  return {[built = std::move(built), later = std::move(later)](const std::string& written) {
            if (std::find(built.begin(), built.end(), written) != built.end()) return std::string();
            if (std::find(later.begin(), later.end(), written) != later.end())
              return fmt::format("'{}' {}; expected {}", written, not_built, fmt::join(built, " or "));
            const std::string near = nearest(written, built);
            return fmt::format("'{}': expected {}{}", written, fmt::join(built, " or "),
                               near.empty() ? "" : "; did you mean '" + near + "'?");
          },
          ""};
}

inline CLI::Validator not_empty(const std::string& expected) {
  return {[expected](const std::string& written) {
            return written.empty() ? fmt::format("'': expected {}", expected) : std::string();
          },
          ""};
}

}  // namespace ctrain
