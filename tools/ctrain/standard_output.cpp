#include "tools/ctrain/standard_output.h"

#include <cstdio>

#include "memory/error.h"

namespace ctrain {

void print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) throw running_error("standard output cannot be written");
}

}  // namespace ctrain
