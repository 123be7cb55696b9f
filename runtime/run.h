// A run: a job with a folder, from the command line's options to the exit code. What `ctrain train` and `ctrain eval`
// do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "runtime/console/logger.h"
#include "runtime/job.h"
#include "runtime/launch.h"

namespace ctrain {

struct RunOptions {
  std::filesystem::path output;       // run folder; empty: runs/<config name>
  bool overwrite = false;             // a folder that already holds a run is replaced
  std::string resume;                 // a checkpoint's or a run's folder, "auto", or empty
  std::optional<StepRange> profile;   // write a trace of these steps
  std::optional<std::int64_t> steps;  // stop after so many optimizer steps in all; 0: only compile the plan
  std::string backend;                // as asked for: "", local, mpi, gloo or nccl
  int threads = 0;                    // CPU threads of a rank; 0: cores / ranks of this machine
  bool show_progress = true;
  std::string version;  // of ctrain, for what it writes
};

inline constexpr int exit_stopped_early = 75;  // by a signal, with a complete checkpoint written

// Trains; returns the exit code. Throws usage Errors before anything is started or written.
int run_training(std::unique_ptr<Job> job, const RunOptions& options, const Launch& launch, const Logger& logger);

// Evaluates a checkpoint on test_data; on rank 0 returns one line of JSON with the metrics, elsewhere "".
std::string run_evaluation(std::unique_ptr<Job> job, const std::filesystem::path& checkpoint, const RunOptions& options,
                           const Launch& launch, const Logger& logger);

}  // namespace ctrain
