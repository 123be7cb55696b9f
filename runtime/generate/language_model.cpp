#include "runtime/generate/language_model.h"

#include <algorithm>
#include <cstring>

#include "memory/error.h"
#include "parallel/comm/local.h"
#include "parallel/fusion/fusion.h"
#include "parallel/partition.h"
#include "runtime/checkpoint/initial_weights.h"

namespace ctrain {

LanguageModel::LanguageModel(const JobOptions& job, std::int64_t sequence_length,
                             const std::filesystem::path& checkpoint)
    : sequence_length_(sequence_length), graph_(std::make_unique<Graph>(DType::f32)) {
  graph_->set_extent({'b'}, 1);
  Value* logits = job.model->build(*graph_, {.training = false, .sample = {{sequence_length}}, .target = {}});
  vocabulary_ = graph_->extent(logits->dims.back());
  const Mode mode = make_mode("none", 1, {});
  Program program = partition(*graph_, mode, 0, {.fetch = {logits}});
  fuse(program);
  compiled_ = compile(std::move(program), Backend::cpu);
  const Program& local = compiled_.program;
  require(local.feeds.size() == 1, "a language model takes tokens alone");
  tokens_ = local.feeds[0].block;
  scores_ = local.kept.at(logits);

  check_initial_weights(local, checkpoint, "--checkpoint");
  world_ = LocalWorld(1).member(0);
  on_ = std::make_unique<RankDevice>(make_cpu_device());
  store_ = std::make_unique<ParameterStore>(*on_->device, local);
  arena_ = std::make_unique<Buffer>(*on_->device, static_cast<std::size_t>(compiled_.memory.arena_bytes));
  mesh_ = std::make_unique<MeshCommunicators>(mode.mesh, local.groups, *world_);
  executor_ = std::make_unique<Executor>(compiled_, *store_, arena_->data(), *mesh_, *on_);
  load_initial_weights(local, checkpoint, [&](const std::string& name, const std::vector<std::byte>& data) {
    std::memcpy(store_->data(name), data.data(), data.size());
  });
}

std::span<const float> LanguageModel::next_scores(std::span<const std::int32_t> tokens) {
  require(!tokens.empty() && std::ssize(tokens) <= sequence_length_, "{} tokens for a sequence of {}", tokens.size(),
          sequence_length_);
  // What stands behind them is seen by no token before it.
  auto* fed = reinterpret_cast<std::int32_t*>(executor_->data(tokens_));
  std::fill(std::copy(tokens.begin(), tokens.end(), fed), fed + sequence_length_, 0);
  executor_->run({});
  const auto* scores = reinterpret_cast<const float*>(executor_->data(scores_));
  return {scores + (std::ssize(tokens) - 1) * vocabulary_, static_cast<std::size_t>(vocabulary_)};
}

}  // namespace ctrain
