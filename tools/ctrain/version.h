// Which ctrain this is, as the build knows it.
#pragma once

#include <string>

#include "runtime/installation.h"

namespace ctrain {

std::string version();       // "0.1.0"
std::string version_text();  // what --version prints: version, commit, backends
BuildFacts build_facts();

}  // namespace ctrain
