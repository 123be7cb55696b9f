#include "runtime/installation.h"
#include "tools/ctrain/commands.h"
#include "tools/ctrain/standard_output.h"
#include "tools/ctrain/version.h"

namespace ctrain {

int check_installation(const Options&) {
  print(installation_table(inspect_installation(build_facts())));
  return 0;
}

}  // namespace ctrain
