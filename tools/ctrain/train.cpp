#include "tools/ctrain/commands.h"
#include "tools/ctrain/setup.h"

namespace ctrain {

int train(const Options& options) {
  Console console;
  const Logger logger(console, options.log_level);
  Setup setup = set_up(options, logger);
  return run_training(std::move(setup.job), setup.run, setup.launch, logger);
}

}  // namespace ctrain
