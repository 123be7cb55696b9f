// Where the time of chosen optimizer steps goes, op by op: ranges for the vendor's profiler (NVTX on CUDA) and a Chrome
// trace of one rank, for ui.perfetto.dev or chrome://tracing. Times are the device's own, by events around every step
// of the program. Everything is made before the first of these steps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory/device.h"
#include "parallel/program.h"

namespace ctrain {

// Optimizer steps as users count them, from 1; the last one is one of them.
struct StepRange {
  std::int64_t first = 1, last = 0;
  [[nodiscard]] std::int64_t size() const { return last - first + 1; }
};

// "10:12"; nothing where it is no such range.
[[nodiscard]] std::optional<StepRange> parse_step_range(const std::string& text);

class StepTrace {
 public:
  // `program` and `device` outlive the trace.
  StepTrace(const Program& program, Device& device, const StepRange& steps);

  [[nodiscard]] bool covers(std::int64_t steps_done) const {
    return steps_done + 1 >= range_.first && steps_done + 1 <= range_.last;
  }

  // One run of the program: begin, then enter and leave around each step of it, then collect once all is done.
  void begin(std::int64_t steps_done, Stream& compute);
  void enter(std::size_t i, Stream& stream);
  void leave(std::size_t i, Stream& stream);
  void enqueued();
  void collect();

  // Seconds that steps of the program took, each on average over the runs; empty before the first.
  [[nodiscard]] std::vector<double> mean_seconds() const;
  // The trace event format: an object with `traceEvents`, times in microseconds of the system's clock.
  [[nodiscard]] std::string json() const;

 private:
  struct Part {  // a step of the program
    std::string name, details;
    Phase phase;
    int micro_batch;
    bool communicates;
    std::int64_t bytes;  // of a collective
    double flops;
    std::unique_ptr<Event> begin, end;
  };
  struct Run {
    std::int64_t step;
    double start;                               // microseconds
    std::vector<std::pair<double, double>> at;  // seconds from there at which each part began and ended
  };
  static const char* name_of(Phase phase);

  int rank_;
  Device* device_;
  StepRange range_;
  std::vector<Part> parts_;
  std::unique_ptr<Event> origin_;
  std::vector<std::string> run_names_;  // "step 10"
  std::vector<Run> runs_;
  std::size_t collected_ = 0;
};

}  // namespace ctrain
