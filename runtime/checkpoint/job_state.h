// What a checkpoint holds of the ranks' memory: model.safetensors (logical tensors under public names and shapes) and
// optimizer.safetensors (states as "parameter.state", in the parameter's public form). No mesh is in them: a checkpoint
// written on one mesh loads on another, each rank picking its own part.
#pragma once

#include <filesystem>

#include "parallel/comm/communicator.h"
#include "runtime/rank.h"

namespace ctrain {

// Collective: every rank brings its blocks, rank 0 writes the files into `folder`.
void save_tensors(const Rank& rank, Communicator& world, const std::filesystem::path& folder);

// A usage Error that lists which parameters and optimizer states are missing, left over or of another shape than the
// plan's model has them.
void check_tensors(const Plan& plan, const std::filesystem::path& folder);

// Fills this rank's parameters and, where `optimizer`, its optimizer states. An Error as above before anything is
// changed.
void load_tensors(const Rank& rank, const std::filesystem::path& folder, bool optimizer);

}  // namespace ctrain
