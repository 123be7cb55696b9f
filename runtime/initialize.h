// Initial weights: functions of (seed, parameter name, logical element) alone, so every mesh starts from the same
// model.
#pragma once

#include <cstdint>

#include "parallel/program.h"

namespace ctrain {

// Fills a rank's block of a parameter, or of an input that has an initializer; padding stays zero.
void initialize(const Program& program, const Block& block, std::uint64_t seed, void* data);

}  // namespace ctrain
