// For tests: small jobs with their data, run by ranks as threads.
#pragma once

#include <functional>
#include <string>

#include "../runtime/data/fixtures.h"
#include "run_ranks.h"
#include "runtime/data/loader.h"
#include "runtime/models/vit.h"
#include "runtime/rank.h"

namespace ctrain::test {

struct MeshCase {
  std::string mode;
  int data = 1, tensor = 1, depth = 1;
  [[nodiscard]] int ranks() const { return data * tensor; }
  [[nodiscard]] std::string text() const {  // "data 2 x 2.5d 8 (depth 2)"
    std::string result = data > 1 ? "data " + std::to_string(data) : "";
    if (tensor > 1) result += (result.empty() ? "" : " x ") + mode + " " + std::to_string(tensor);
    if (mode == "2.5d") result += " (depth " + std::to_string(depth) + ")";
    return result.empty() ? "one rank" : result;
  }
};

constexpr int image_side = 6;

inline std::shared_ptr<const Model> small_vit() {
  return make_vit({.img_size = image_side,
                   .patch_size = 3,
                   .in_channels = 1,
                   .num_classes = 10,
                   .hidden_size = 36,
                   .depth = 2,
                   .num_heads = 12,
                   .mlp_ratio = 2,
                   .dropout = 0.1,
                   .attention_dropout = 0.1,
                   .drop_path = 0.1});
}

// The small ViT on every mesh of up to nine ranks, with an evaluation step.
inline JobOptions small_job(const MeshCase& mesh, std::int64_t global_batch, DType real = DType::f64) {
  JobOptions job;
  job.model = small_vit();
  job.sample.extents = {1, image_side, image_side};
  job.loss.label_smoothing = 0.1;
  job.tensor_mode = mesh.mode;
  job.data = mesh.data;
  job.tensor = mesh.tensor;
  job.depth = mesh.depth;
  job.global_batch = global_batch;
  job.real = real;
  job.seed = 7;
  job.evaluation = true;
  return job;
}

// `size` images of the small job's shape, and what its loaders need.
class SmallData {
 public:
  explicit SmallData(std::int64_t size, std::uint64_t seed = 5)
      : dataset_(size, {1, image_side, image_side}),
        pipeline_(pipeline(dataset_, {mapping({{"type", Setting::of(std::string("ToTensor"))}}),
                                      mapping({{"type", Setting::of(std::string("Normalize"))},
                                               {"mean", reals({0.5})},
                                               {"std", reals({0.25})}})})),
        seed_(seed) {}
  [[nodiscard]] BatchAssembler assembler(const StepPlan& step, std::int64_t global_batch, bool shuffle = true) const {
    return {dataset_, pipeline_, {global_batch, shuffle, false, seed_}, Rank::feeds(step)};
  }
  [[nodiscard]] std::unique_ptr<Loader> loader(const StepPlan& step, std::int64_t global_batch) const {
    return std::make_unique<Loader>(dataset_, pipeline_, SamplerOptions{global_batch, true, false, seed_},
                                    Rank::feeds(step), 2);
  }

 private:
  PatternDataset dataset_;
  TransformPipeline pipeline_;
  std::uint64_t seed_;
};

// Makes the plan and the rank of every member and calls `body` with them.
inline void run_job(const JobOptions& job, const std::function<void(Rank& rank, Communicator& world)>& body) {
  run_ranks(job.ranks(), [&](Communicator& world) {
    const Plan plan = make_plan(job, world.rank());
    Rank rank(plan, world);
    body(rank, world);
  });
}

}  // namespace ctrain::test
