#include "training_run.h"

#include <mutex>

#include "../support/program_on_rank.h"
#include "ops/philox.h"
#include "runtime/data/batch_assembler.h"
#include "runtime/models/gpt2.h"
#include "runtime/models/mlp.h"
#include "runtime/models/vit.h"
#include "token_dataset.h"

namespace ctrain {
namespace {

constexpr std::int64_t batch = 72, samples = 400, classes = 10;
constexpr int side = test::image_side;

Setting augmentation() {
  using test::mapping;
  return Setting::of(std::vector<Setting>{
      mapping({{"type", Setting::of(std::string("RandomCrop"))},
               {"size", Setting::of(std::int64_t{side})},
               {"padding", Setting::of(std::int64_t{2})}}),
      mapping({{"type", Setting::of(std::string("RandomHorizontalFlip"))}, {"p", Setting::of(0.5)}}),
      mapping({{"type", Setting::of(std::string("ToTensor"))}}),
      mapping({{"type", Setting::of(std::string("Normalize"))},
               {"mean", test::reals({0.5})},
               {"std", test::reals({0.25})}}),
  });
}

// Weights that start at a constant (layer norm's, the class token, positions) would not show in the first step whether
// they came from the right rank.
template <typename T>
void disturb(const Program& program, const Block& block, T* data) {
  const std::uint64_t key = random_key(11, block.value->name);
  visit_runs(program, program.rank, block, block.operand.dims, [&](const BlockRun& run) {
    for (std::int64_t i = 0; i < run.length; ++i) {
      const auto index = static_cast<std::uint64_t>(run.logical + i * run.stride);
      data[run.local + i] += static_cast<T>(0.1 * random_normal(key, index));
    }
  });
}

void disturb_constants(const Rank& rank) {
  const Program& program = rank.plan().training.compiled.program;
  for (const Block& block : program.blocks) {
    if (block.storage != Block::Storage::parameter || !block.is_held) continue;
    if (block.value->initializer.kind != Initializer::Kind::constant) continue;
    std::vector<std::byte> data = rank.read(block.value->name);
    block.operand.dtype == DType::f64 ? disturb(program, block, reinterpret_cast<double*>(data.data()))
                                      : disturb(program, block, reinterpret_cast<float*>(data.data()));
    rank.write(block.value->name, data);
  }
}

double norm(const std::vector<double>& x) {
  double squares = 0;
  for (const double v : x) squares += v * v;
  return std::sqrt(squares);
}

std::mutex collecting;  // the ranks of one process write into one TrainingRun

}  // namespace

const std::vector<MeshCase>& all_meshes() {
  static const std::vector<MeshCase> meshes = {
      {"", 2, 1},         {"", 4, 1},         {"1d", 1, 2},       {"1d", 1, 3},       {"1d", 1, 4},
      {"1d", 1, 8},       {"2d", 1, 4},       {"2d", 1, 9},       {"2d", 1, 16},      {"2.5d", 1, 4, 1},
      {"2.5d", 1, 8, 2},  {"2.5d", 1, 12, 3}, {"2.5d", 1, 18, 2}, {"3d", 1, 8},       {"3d", 1, 27},
      {"sequence", 1, 2}, {"sequence", 1, 3}, {"sequence", 1, 4}, {"sequence", 1, 8}, {"1d", 2, 2},
      {"2d", 2, 4},       {"2.5d", 2, 4, 1},  {"2.5d", 2, 8, 2},  {"3d", 2, 8},       {"sequence", 2, 2}};
  return meshes;
}

JobOptions vit_job(const MeshCase& mesh, DType real) {
  VitOptions vit;
  vit.img_size = side;
  vit.patch_size = 3;
  vit.in_channels = 1;
  vit.num_classes = classes;
  vit.hidden_size = 144;
  vit.num_heads = 24;
  vit.depth = 2;
  vit.mlp_ratio = 2;
  vit.dropout = vit.attention_dropout = 0.1;
  vit.drop_path = 0.2;
  JobOptions job = test::small_job(mesh, batch, real);
  job.model = make_vit(vit);
  job.evaluation = false;
  job.keep_gradients = true;
  return job;
}

JobOptions mlp_job(const MeshCase& mesh, DType real) {
  JobOptions job = vit_job(mesh, real);
  MlpOptions mlp;
  mlp.dims = {36, 72, 36, 144, classes};
  mlp.dropout = 0.1;
  job.model = make_mlp(mlp);
  return job;
}

JobOptions gpt2_job(const MeshCase& mesh, DType real) {
  JobOptions job = vit_job(mesh, real);
  job.model = make_gpt2({.vocab_size = vocabulary,
                         .max_position_embeddings = sequence_length + 4,
                         .hidden_size = 144,
                         .depth = 1,
                         .num_heads = 24,
                         .mlp_ratio = 2,
                         .dropout = 0.1,
                         .attention_dropout = 0.1,
                         .embed_dropout = 0.1});
  job.sample.extents = {sequence_length};
  return job;
}

void RunCollector::train(const JobOptions& job, Communicator& world, int steps, const DevicePlace& place) {
  const Plan plan = make_plan(job, world.rank());
  Rank rank(plan, world, place);
  disturb_constants(rank);
  const test::PatternDataset images(samples, {1, side, side});
  const TokenDataset sequences(samples);
  const bool tokens = job.sample.extents.size() == 1;
  const Dataset& dataset = tokens ? static_cast<const Dataset&>(sequences) : images;
  const TransformPipeline pipeline =
      test::pipeline(dataset, tokens ? std::vector<Setting>() : augmentation().list(), job.seed);
  BatchAssembler assembler(dataset, pipeline, {job.samples_per_step(), true, false, job.seed},
                           Rank::feeds(plan.training));
  Batch data = assembler.make_batch();
  for (int step = 0; step < steps; ++step) {
    const std::int64_t per_epoch = assembler.sampler().steps_per_epoch();
    assembler.fill(data, step / per_epoch, step % per_epoch);  // the last batch of an epoch is short
    const StepResult metrics = rank.train(data, {step, 0.05});
    const std::lock_guard lock(collecting);
    const auto at = static_cast<std::size_t>(step);
    if (run_.steps.size() == at) run_.steps.push_back(metrics);
    run_.replicas_equal = run_.replicas_equal && run_.steps[at] == metrics;
    if (step > 0) continue;
    const Program& program = plan.training.compiled.program;
    for (const Value* parameter : plan.training.graph.graph->parameters()) {
      const auto [it, fresh] = run_.gradients.try_emplace(parameter->name);
      if (fresh) it->second = test::unknown_tensor(program, parameter->dims);
      const auto kept = program.kept.find(plan.training.graph.gradients.at(parameter));
      if (kept == program.kept.end()) continue;  // of another stage
      const BlockId id = kept->second;
      const Block& block = program.blocks[static_cast<std::size_t>(id)];
      const std::vector<std::byte> bytes = rank.read_block(id);
      const bool equal =
          job.real == DType::f64
              ? test::collect_block(program, block, reinterpret_cast<const double*>(bytes.data()), it->second)
              : test::collect_block(program, block, reinterpret_cast<const float*>(bytes.data()), it->second);
      run_.replicas_equal = run_.replicas_equal && equal;
    }
  }
}

TrainingRun train_locally(const JobOptions& job, int steps, const WrapWorld& wrap) {
  RunCollector collector;
  run_ranks(job.ranks(), [&](Communicator& member) {
    if (wrap == nullptr) return collector.train(job, member, steps);
    const std::unique_ptr<Communicator> wrapped = wrap(member);
    collector.train(job, *wrapped, steps);
  });
  return collector.result();
}

double gradient_error(const TrainingRun& a, const TrainingRun& b) {
  double squares = 0;
  for (const auto& [name, tensor] : b.gradients) squares += norm(tensor) * norm(tensor);
  const double floor = 1e-3 * std::sqrt(squares / static_cast<double>(b.gradients.size()));
  double worst = a.gradients.size() == b.gradients.size() ? 0 : INFINITY;
  for (const auto& [name, tensor] : b.gradients) {
    const auto it = a.gradients.find(name);
    if (it == a.gradients.end() || it->second.size() != tensor.size()) return INFINITY;
    std::vector<double> difference(tensor.size());
    for (std::size_t i = 0; i < tensor.size(); ++i) difference[i] = it->second[i] - tensor[i];
    const double error = norm(difference) / std::max(norm(tensor), floor);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

static double relative_error(double a, double b) {
  const double error = a == b ? 0 : std::abs(a - b) / std::abs(b);
  return std::isnan(error) ? INFINITY : error;
}

double loss_error(const TrainingRun& a, const TrainingRun& b) {
  double worst = a.steps.size() == b.steps.size() && !b.steps.empty() ? 0 : INFINITY;
  for (std::size_t i = 0; i < b.steps.size() && std::isfinite(worst); ++i)
    worst = std::max(worst, relative_error(a.steps[i].loss, b.steps[i].loss));
  return worst;
}

double metrics_error(const TrainingRun& a, const TrainingRun& b) {
  const StepResult &x = a.steps.at(0), &y = b.steps.at(0);
  return std::max({relative_error(x.samples, y.samples), relative_error(x.correct, y.correct),
                   relative_error(x.gradient_norm, y.gradient_norm)});
}

}  // namespace ctrain
