#include "runtime/config/load.h"
#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"

namespace ctrain {

int print_configuration(const Options& options) {
  Console console;
  const Logger logger(console, LogLevel::warning);
  const Configuration configuration =
      load_configuration(options.config, options.overrides, std::nullopt, options.recipe);
  for (const std::string& warning : configuration.warnings) logger.warning("{}", warning);
  print(to_yaml(configuration));
  return 0;
}

}  // namespace ctrain
