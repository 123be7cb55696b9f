// Training on GPUs: as on the CPU, the same bits twice, on every mesh as on one rank, replayed as step by step. Ranks
// share the first GPU through the host; NCCL is tested with as many ranks as there are GPUs. Skipped where there is
// none. What was measured goes to standard output, a line each.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "pipelined_job.h"
#include "runtime/models/gpt2.h"
#include "runtime/models/vit.h"
#include "tests/support/run_ranks.h"

namespace ctrain {
namespace {

constexpr int steps = 20;

int gpus() {
  const DeviceKind* kind = DeviceKinds::instance().find("cuda");
  const int count = kind == nullptr ? 0 : kind->count();
  if (count == 0) WARN("skipped: there is no GPU");
  return count;
}

JobOptions on_gpu(JobOptions job) {
  job.device = "cuda";
  return job;
}

void tell(const std::string& what, double error, double allowed) {
  fmt::print("figure: {}: {:.2g} of at most {:.2g}\n", what, error, allowed);
}

// Heads of 64 and no dropout of attention: in bf16 cuDNN's attention runs, where the GPU has it.
JobOptions wide_job(const MeshCase& mesh, DType real) {
  JobOptions job = vit_job(mesh, real);
  job.model = make_vit({.img_size = test::image_side,
                        .patch_size = 3,
                        .in_channels = 1,
                        .num_classes = 10,
                        .hidden_size = 128,
                        .depth = 2,
                        .num_heads = 2,
                        .mlp_ratio = 2});
  return job;
}

JobOptions bf16(JobOptions job) {
  job.mixed_precision = DType::bf16;
  return job;
}

bool same_bits(const TrainingRun& a, const TrainingRun& b) { return a.steps == b.steps && a.gradients == b.gradients; }

// Losses of three steps of the smallest model.
std::vector<double> small_losses(const MeshCase& mesh, const std::string& device, bool narrow) {
  JobOptions job = test::small_job(mesh, 12, DType::f32);
  job.evaluation = false;
  job.device = device;
  if (narrow) job = bf16(job);
  const test::SmallData data(50);
  std::vector<double> losses(3);
  test::run_job(job, [&](Rank& rank, Communicator& world) {
    const auto loader = data.loader(rank.plan().training, job.global_batch);
    for (std::size_t step = 0; step < losses.size(); ++step) {
      const StepResult result =
          rank.train(loader->next(), {static_cast<std::int64_t>(step), 0.05}, [&] { return loader->peek(); });
      if (world.rank() == 0) losses[step] = result.loss;
    }
  });
  return losses;
}

// In little time: for the emulated GPU too.
TEST_CASE("A small ViT trains on a GPU as on the CPU, in fp32 and bf16, on one rank and several", "[gpu][small]") {
  if (gpus() == 0) return;
  for (const bool narrow : {false, true}) {
    const std::vector<double> cpu = small_losses({}, "cpu", narrow);
    for (const MeshCase& mesh : {MeshCase{}, narrow ? MeshCase{"1d", 2, 2} : MeshCase{"2d", 1, 4}}) {
      const std::vector<double> gpu = small_losses(mesh, "cuda", narrow);
      INFO(mesh.text() << (narrow ? ", bf16" : ", fp32"));
      for (std::size_t i = 0; i < cpu.size(); ++i) CHECK(gpu[i] == Approx(cpu[i]).epsilon(narrow ? 0.02 : 1e-4));
    }
  }
}

// Without dropout, so that residuals are summed in the products; widths that cuBLASLt's GELU takes, also in two parts.
JobOptions small_gpt2_job(const MeshCase& mesh, bool narrow) {
  JobOptions job = gpt2_job(mesh, DType::f32);
  job.model = make_gpt2(
      {.vocab_size = 61, .max_position_embeddings = 13, .hidden_size = 48, .depth = 1, .num_heads = 4, .mlp_ratio = 2});
  job.global_batch = 6;
  return narrow ? bf16(job) : job;
}

TEST_CASE("A small GPT-2 trains on a GPU as on the CPU, in fp32 and bf16, on one rank and two", "[gpu][small]") {
  if (gpus() == 0) return;
  for (const bool narrow : {false, true}) {
    const TrainingRun cpu = train_locally(small_gpt2_job({}, narrow), 3);
    for (const MeshCase& mesh : {MeshCase{}, MeshCase{"1d", 1, 2}}) {
      const TrainingRun gpu = train_locally(on_gpu(small_gpt2_job(mesh, narrow)), 3);
      INFO(mesh.text() << (narrow ? ", bf16" : ", fp32"));
      CHECK(loss_error(gpu, cpu) < (narrow ? 0.02 : 1e-4));
      CHECK(gradient_error(gpu, cpu) < (narrow ? 0.05 : 1e-4));
    }
  }
}

void check_against_cpu(const std::string& name, Job job) {
  const TrainingRun cpu = train_locally(job({}, DType::f32), steps),
                    gpu = train_locally(on_gpu(job({}, DType::f32)), steps);
  tell(name + " fp32, losses of 20 steps, GPU and CPU", loss_error(gpu, cpu), 1e-4);
  CHECK(loss_error(gpu, cpu) < 1e-4);
  CHECK(same_bits(train_locally(on_gpu(job({}, DType::f32)), steps), gpu));
}

TEST_CASE("A ViT on a GPU has the CPU's losses, and the same bits twice", "[gpu][fp32]") {
  if (gpus() > 0) check_against_cpu("ViT", vit_job);
}
TEST_CASE("An MLP on a GPU has the CPU's losses, and the same bits twice", "[gpu][fp32]") {
  if (gpus() > 0) check_against_cpu("MLP", mlp_job);
}

TEST_CASE("A ViT in bf16 on a GPU comes as near to fp64 as on the CPU, and has the same bits twice", "[gpu][bf16]") {
  if (gpus() == 0) return;
  for (const Job job : {vit_job, wide_job}) {
    const TrainingRun exact = train_locally(job({}, DType::f64), steps),
                      cpu = train_locally(bf16(job({}, DType::f32)), steps),
                      gpu = train_locally(on_gpu(bf16(job({}, DType::f32))), steps);
    const double losses = 4 * loss_error(cpu, exact), gradients = 4 * gradient_error(cpu, exact);
    const std::string name = job == vit_job ? "ViT" : "ViT with heads of 64";
    tell(name + " bf16, losses, GPU and fp64", loss_error(gpu, exact), losses);
    tell(name + " bf16, first gradients, GPU and fp64", gradient_error(gpu, exact), gradients);
    CHECK(loss_error(gpu, exact) < losses);
    CHECK(gradient_error(gpu, exact) < gradients);
    CHECK(same_bits(train_locally(on_gpu(bf16(job({}, DType::f32))), steps), gpu));
  }
}

struct SeveralRanks {
  std::string text;
  JobOptions job;
};

// As on the CPU (test_equal_to_serial.cpp), up to four times one rank's own distance from fp64 is allowed.
void check_ranks(const std::string& name, Job one_rank, const std::vector<SeveralRanks>& cases) {
  const TrainingRun exact = train_locally(one_rank({}, DType::f64), steps),
                    serial = train_locally(on_gpu(one_rank({}, DType::f32)), steps);
  const double gradients = std::max(1e-5, 4 * gradient_error(serial, exact)),
               losses = std::max(1e-4, 4 * loss_error(serial, exact));
  double worst_gradient = 0, worst_loss = 0;
  for (const auto& [text, job] : cases) {
    const TrainingRun run = train_locally(on_gpu(job), steps);
    INFO(text << ": gradients " << gradient_error(run, serial) << " of " << gradients << ", losses "
              << loss_error(run, serial) << " of " << losses);
    CHECK(gradient_error(run, serial) < gradients);
    CHECK(loss_error(run, serial) < losses);
    CHECK(run.replicas_equal);
    worst_gradient = std::max(worst_gradient, gradient_error(run, serial));
    worst_loss = std::max(worst_loss, loss_error(run, serial));
  }
  tell(name + ", losses, 2 to 8 ranks and one", worst_loss, losses);
  tell(name + ", first gradients, 2 to 8 ranks and one", worst_gradient, gradients);
}

void check_meshes(const std::string& name, Job job) {
  std::vector<SeveralRanks> cases;
  for (const MeshCase& mesh : std::vector<MeshCase>{{"", 2, 1},
                                                    {"1d", 1, 2},
                                                    {"sequence", 1, 2},
                                                    {"", 4, 1},
                                                    {"1d", 1, 4},
                                                    {"2d", 1, 4},
                                                    {"2.5d", 1, 4, 1},
                                                    {"sequence", 1, 4},
                                                    {"1d", 2, 2},
                                                    {"2d", 2, 4},
                                                    {"2.5d", 1, 8, 2},
                                                    {"3d", 1, 8},
                                                    {"1d", 1, 8},
                                                    {"sequence", 1, 8}})
    if (mesh.mode != "sequence" || job != mlp_job)  // nothing to split
      cases.push_back({mesh.text(), job(mesh, DType::f32)});
  check_ranks(name, job, cases);
}

TEST_CASE("A ViT on ranks that share a GPU trains as on one rank", "[gpu][meshes]") {
  if (gpus() > 0) check_meshes("ViT", vit_job);
}
TEST_CASE("An MLP on ranks that share a GPU trains as on one rank", "[gpu][meshes]") {
  if (gpus() > 0) check_meshes("MLP", mlp_job);
}

// Every schedule on two and four stages, and with tensor parallelism.
void check_pipelines(const std::string& name, Job job) {
  std::vector<SeveralRanks> cases;
  const auto add = [&](const PipelineCase& p) { cases.push_back({p.text(), pipelined(job, p, DType::f32)}); };
  for (const int stages : {2, 4}) {
    for (const char* schedule : {"gpipe", "1f1b", "zb_h1"}) add({schedule, stages, 1, 4});
    for (const char* schedule : {"interleaved", "zbv"}) add({schedule, stages, 2, 4});
  }
  add({"1f1b", 2, 1, 4, {"1d", 1, 2}});
  check_ranks(name, job, cases);
}

TEST_CASE("A ViT in a pipeline of ranks that share a GPU trains as on one rank", "[gpu][pipelines]") {
  if (gpus() > 0) check_pipelines("ViT", vit_of_8);
}
TEST_CASE("GPT-2 in a pipeline of ranks that share a GPU trains as on one rank", "[gpu][pipelines]") {
  if (gpus() > 0) check_pipelines("GPT-2", gpt2_of_8);
}

// In little time. The word table of GPT-2 is the head's too.
TEST_CASE("Small pipelines on a GPU train as one rank on the CPU", "[gpu][small]") {
  if (gpus() == 0) return;
  const auto check = [](Job job, const PipelineCase& p) {
    const TrainingRun cpu = train_locally(job({}, DType::f32), 2),
                      gpu = train_locally(on_gpu(pipelined(job, p, DType::f32)), 2);
    INFO(p.text());
    CHECK(loss_error(gpu, cpu) < 1e-4);
    CHECK(gradient_error(gpu, cpu) < 1e-4);
    CHECK(gpu.replicas_equal);
  };
  check(gpt2_of_4, {"1f1b", 2, 1, 2});
  check(vit_of_4, {"zbv", 2, 2, 2});
}

// With one GPU NCCL's world has one rank, and no step sends anything: only that it is made and closed is shown.
TEST_CASE("With NCCL a rank on each GPU trains as one rank", "[gpu][nccl]") {
  const int count = std::min(gpus(), 8);
  if (count == 0) return;
  const TrainingRun serial = train_locally(on_gpu(vit_job({}, DType::f32)), steps);
  std::vector<MeshCase> meshes{{"", count, 1}};
  if (count > 1) meshes.push_back({"1d", 1, count});
  if (count > 1) meshes.push_back({"sequence", 1, count});
  if (count >= 4) meshes.push_back({"2d", 1, 4});
  if (count == 8) meshes.insert(meshes.end(), {{"2.5d", 1, 8, 2}, {"3d", 1, 8}, {"2d", 2, 4}});
  for (const MeshCase& mesh : meshes) {
    RunCollector collector;
    run_ranks(mesh.ranks(), [&](Communicator& world) {
      if (world.size() == 1) {
        const auto device = DeviceKinds::instance().get("cuda").make(0);
        const auto stream = device->make_stream();
        (void)make_device_world("cuda", DeviceWorld::vendor, world, *device, *stream);
      }
      collector.train(on_gpu(vit_job(mesh, DType::f32)), world, steps,
                      {.index = world.rank(), .world = DeviceWorld::vendor});
    });
    tell(fmt::format("NCCL, {}, losses", mesh.text()), loss_error(collector.result(), serial), 1e-3);
    CHECK(loss_error(collector.result(), serial) < 1e-3);
    CHECK(collector.result().replicas_equal);
  }
}

TEST_CASE("Replay and step by step give the same bits", "[gpu][replay]") {
  if (gpus() == 0) return;
  for (const bool narrow : {false, true})
    for (const Job job : {vit_job, wide_job, mlp_job}) {
      const auto train = [&](bool record) {
        JobOptions options = on_gpu(job({}, DType::f32));
        if (narrow) options = bf16(options);
        options.record = record;
        return train_locally(options, steps);
      };
      CHECK(same_bits(train(true), train(false)));
    }
}

TEST_CASE("Steps on a GPU are recorded, and allocate nothing after the first", "[gpu][allocations]") {
  if (gpus() == 0) return;
  JobOptions job = on_gpu(test::small_job({}, 12, DType::f32));
  const test::SmallData data(50);
  std::int64_t after_first = 0, after_last = 0;
  bool is_recorded = false, is_asynchronous = false;
  std::string reason;
  test::run_job(job, [&](Rank& rank, Communicator&) {
    const auto training = data.loader(rank.plan().training, job.global_batch);
    const auto evaluation = data.loader(*rank.plan().evaluation, job.global_batch);
    for (std::int64_t step = 0; step < 6; ++step) {
      rank.train(training->next(), {step, 0.01}, [&] { return training->peek(); });
      rank.evaluate(evaluation->next(), [&] { return evaluation->peek(); });
      (step == 0 ? after_first : after_last) = rank.device().allocations();
    }
    is_asynchronous = rank.device().is_asynchronous();
    is_recorded = rank.training().is_recorded();
    reason = rank.training().not_recorded_because();
  });
  fmt::print("figure: allocations of device and pinned memory after step 1: {}\n", after_last - after_first);
  CHECK(after_last == after_first);
  INFO(reason);
  CHECK(is_recorded == is_asynchronous);
}

}  // namespace
}  // namespace ctrain
