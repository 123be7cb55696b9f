// metrics.jsonl: one JSON object a line, for scripts (the keys are part of ctrain's interface). Each line reaches the
// operating system in one write(2) as it is made, so that a crash of ctrain loses none. A number that is not finite is
// written as null: JSON has no NaN. Numbers read back to the same double. Writing a line allocates nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "runtime/console/fixed_text.h"
#include "runtime/file.h"

namespace ctrain {

struct StepMetrics {
  std::int64_t step = 0;  // from 1: optimizer steps done
  std::int64_t epoch = 0;
  double loss = 0;
  double lr = 0;
  double grad_norm = 0;
  double loss_scale = 1;
  double samples_per_second = 0;  // global
  double step_ms = 0;
  // Left out of the line where they do not apply.
  std::optional<double> tokens_per_second = {};
  std::optional<double> mfu = {}, mfu_full_attention = {}, mfu_with_recompute = {};
};

struct EpochMetrics {
  enum class Kind { epoch, eval };
  enum class Split { train, test };

  Kind kind = Kind::epoch;
  Split split = Split::train;
  std::int64_t step = 0;  // optimizer steps done
  std::int64_t epoch = 0;
  double loss = 0;
  std::optional<double> accuracy;            // from 0 to 1; left out where the task has none
  std::optional<double> bits_per_byte = {};  // of text; left out elsewhere
};

class MetricsWriter {
 public:
  // Goes on at the end of the file where there is one. A run that continues from a checkpoint of `resumed_step` repeats
  // the steps after it: their lines, and a last one that a crash cut short, are taken off first. A running Error where
  // the file holds anything but such lines.
  explicit MetricsWriter(const std::filesystem::path& path, std::int64_t resumed_step = 0);

  void write(const StepMetrics& metrics);
  void write(const EpochMetrics& metrics);

 private:
  using Buffer = FixedText<1024>;  // longer than the longest line
  class Line;

  File file_;
  Buffer buffer_;
};

}  // namespace ctrain
