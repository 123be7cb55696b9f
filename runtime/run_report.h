// What a run tells about its ranks: the table before step 1 and summary.json at the end. Both are collective: every
// rank brings its numbers, rank 0 shows and writes.
#pragma once

#include <filesystem>

#include "runtime/trainer.h"

namespace ctrain {

// Rank, host, device, cores, mesh coordinate and memory of every rank (the first 32 of many), batch and parameters.
void show_ranks(const Rank& rank, Communicator& world, int threads, const Logger& logger);

void write_summary(const std::filesystem::path& path, const TrainingOutcome& outcome, const Job& job, const Rank& rank,
                   Communicator& world);

}  // namespace ctrain
