// Stands in for ssh: keeps the words it was given, one after the other with a NUL behind each, in the file `ssh-words`,
// and gives the last to a shell here, as ssh gives it to one on the other host.
#pragma once

#include <cstdlib>

#include "program.h"

namespace ctrain {

// What to put before ctrain.
inline std::vector<std::string> with_fake_ssh(const Workplace& place) {
  namespace fs = std::filesystem;
  place.write("bin/ssh", R"(#!/bin/sh
for word; do printf '%s\0' "$word"; done >words.$$
cat words.$$ >>ssh-words  # at once: others write there too
rm words.$$
exec sh -c "$word"
)");
  fs::permissions(place.path() / "bin/ssh", fs::perms::owner_all);
  return {"env", "PATH=" + (place.path() / "bin").string() + ":" + std::getenv("PATH")};
}

}  // namespace ctrain
