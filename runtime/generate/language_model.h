// A trained language model on one rank: the forward pass alone, at one sequence length.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "runtime/executor.h"
#include "runtime/plan.h"

namespace ctrain {

class LanguageModel {
 public:
  // The job's model with the parameters of a checkpoint. A usage Error where they are another model's.
  LanguageModel(const JobOptions& job, std::int64_t sequence_length, const std::filesystem::path& checkpoint);

  // The scores [vocabulary] of the token behind `tokens`, of which there are 1 to sequence_length. Valid until the next
  // call.
  [[nodiscard]] std::span<const float> next_scores(std::span<const std::int32_t> tokens);

  [[nodiscard]] std::int64_t sequence_length() const { return sequence_length_; }

 private:
  std::int64_t sequence_length_, vocabulary_ = 0;
  std::unique_ptr<Graph> graph_;
  CompiledProgram compiled_;
  BlockId tokens_ = -1, scores_ = -1;
  std::unique_ptr<Communicator> world_;
  std::unique_ptr<RankDevice> on_;
  std::unique_ptr<ParameterStore> store_;
  std::unique_ptr<Buffer> arena_;
  std::unique_ptr<MeshCommunicators> mesh_;
  std::unique_ptr<Executor> executor_;
};

}  // namespace ctrain
