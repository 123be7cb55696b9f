// What training and evaluation do alike before ranks start: who starts them, the configuration, the data.
#pragma once

#include <memory>

#include "runtime/run.h"
#include "tools/ctrain/options.h"

namespace ctrain {

struct Setup {
  std::unique_ptr<Job> job;
  Launch launch;
  RunOptions run;
};

// Logs the configuration's warnings. Throws usage Errors; nothing is written.
Setup set_up(const Options& options, const Logger& logger);

}  // namespace ctrain
