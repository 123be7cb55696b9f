#include "tools/ctrain/commands.h"
#include "tools/ctrain/setup.h"
#include "tools/ctrain/standard_output.h"

namespace ctrain {

int evaluate(const Options& options) {
  Console console;
  const Logger logger(console, options.log_level);
  Setup setup = set_up(options, logger);
  const std::string metrics = run_evaluation(std::move(setup.job), options.checkpoint, setup.run, setup.launch, logger);
  if (setup.launch.is_main()) print(metrics + "\n");
  return 0;
}

}  // namespace ctrain
