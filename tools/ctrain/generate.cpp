// ctrain generate: what a trained language model has to say.
#include "runtime/generate/generate.h"

#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"

namespace ctrain {

int generate_text(const Options& options) {
  generate(options.generate, print);
  print("\n");
  return 0;
}

}  // namespace ctrain
