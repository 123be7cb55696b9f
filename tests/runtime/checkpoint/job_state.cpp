#include "runtime/checkpoint/job_state.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <mutex>

#include "../../support/program_on_rank.h"
#include "../temporary_folder.h"
#include "runtime/checkpoint/safetensors.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using test::MeshCase;
using Tensors = std::map<std::string, test::LogicalTensor>;

JobOptions adam_job(const MeshCase& mesh) {
  JobOptions job = test::small_job(mesh, 12);
  job.optimizer.kind = OptimizerOptions::Kind::adam;
  return job;
}

// All parameters and optimizer states, put together from the ranks' blocks.
void collect(const Rank& rank, Tensors& tensors) {
  const Program& program = rank.plan().training.compiled.program;
  for (const auto& [name, id] : program.persistent) {
    const Block& block = program.blocks[static_cast<std::size_t>(id)];
    const auto [it, fresh] = tensors.try_emplace(name);
    if (fresh) it->second = test::unknown_tensor(program, block.operand.dims);
    const std::vector<std::byte> bytes = rank.read(name);
    const auto* data = reinterpret_cast<const double*>(bytes.data());
    if (!test::collect_block(program, block, data, it->second)) throw running_error("replicas of {} differ", name);
  }
}

// Trains two steps on this mesh and saves; returns what was in memory.
Tensors train_and_save(const MeshCase& mesh, const std::filesystem::path& folder) {
  const JobOptions job = adam_job(mesh);
  const test::SmallData data(24);
  Tensors tensors;
  std::mutex mutex;
  test::run_job(job, [&](Rank& rank, Communicator& world) {
    BatchAssembler assembler = data.assembler(rank.plan().training, job.global_batch);
    Batch batch = assembler.make_batch();
    for (std::int64_t step = 0; step < 2; ++step) {
      assembler.fill(batch, 0, step);
      rank.train(batch, {step, 0.01});
    }
    save_tensors(rank, world, folder);
    const std::lock_guard lock(mutex);
    collect(rank, tensors);
  });
  return tensors;
}

Tensors load(const MeshCase& mesh, const std::filesystem::path& folder, bool optimizer = true) {
  Tensors tensors;
  std::mutex mutex;
  test::run_job(adam_job(mesh), [&](Rank& rank, Communicator&) {
    load_tensors(rank, folder, optimizer);
    const std::lock_guard lock(mutex);
    collect(rank, tensors);
  });
  return tensors;
}

TEST_CASE("What one mesh saves, any mesh loads, to the bit", "[job_state]") {
  const TemporaryFolder folder;
  const Tensors saved = train_and_save({"2d", 1, 4}, folder.path());
  REQUIRE(saved.size() == 3 * 32);  // parameters, first and second moments
  for (const MeshCase& mesh : {MeshCase{}, {"1d", 1, 2}, {"2d", 1, 4}, {"2d", 1, 9}, {"", 2, 1}}) {
    INFO(mesh.mode << " " << mesh.data << " x " << mesh.tensor);
    CHECK(load(mesh, folder.path()) == saved);
  }
}

TEST_CASE("Without the optimizer its states stay as they were", "[job_state]") {
  const TemporaryFolder folder;
  const Tensors saved = train_and_save({}, folder.path());
  const Tensors loaded = load({"1d", 1, 2}, folder.path(), false);
  CHECK(loaded.at("head.weight") == saved.at("head.weight"));
  for (const double x : loaded.at("head.weight.exp_avg")) CHECK(x == 0);
}

TEST_CASE("With bf16 activations a checkpoint holds fp32 masters and states, which have bits that bf16 lacks",
          "[job_state]") {
  const TemporaryFolder folder;
  JobOptions job = adam_job({"2d", 1, 4});
  job.real = DType::f32;
  job.mixed_precision = DType::bf16;
  const test::SmallData data(24);
  std::atomic<int> short_masters = 0;
  test::run_job(job, [&](Rank& rank, Communicator& world) {
    BatchAssembler assembler = data.assembler(rank.plan().training, job.global_batch);
    Batch batch = assembler.make_batch();
    assembler.fill(batch, 0, 0);
    rank.train(batch, {0, 0.01});
    save_tensors(rank, world, folder.path());
    for (const Value* parameter : rank.plan().training.graph.graph->parameters()) {
      const std::vector<std::byte> bytes = rank.read(parameter->name);
      const auto* words = reinterpret_cast<const std::uint32_t*>(bytes.data());
      const auto is_long = [](std::uint32_t word) { return (word & 0xffff) != 0; };
      if (std::none_of(words, words + bytes.size() / sizeof(std::uint32_t), is_long)) ++short_masters;
    }
  });
  CHECK(short_masters == 0);
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    const SafetensorsFile file(folder / name);
    for (const StoredTensor& tensor : file.tensors()) {
      INFO(tensor.name);
      CHECK(tensor.type == StoredType::f32);
    }
  }
}

TEST_CASE("An exported ViT has timm's names and shapes", "[job_state]") {
  const TemporaryFolder folder;
  (void)train_and_save({"2d", 1, 4}, folder.path());
  const SafetensorsFile file(folder / "model.safetensors");
  using Shape = std::vector<std::int64_t>;
  std::map<std::string, Shape> expected{
      {"cls_token", {1, 1, 36}},       {"pos_embed", {1, 5, 36}}, {"patch_embed.proj.weight", {36, 1, 3, 3}},
      {"patch_embed.proj.bias", {36}}, {"norm.weight", {36}},     {"norm.bias", {36}},
      {"head.weight", {10, 36}},       {"head.bias", {10}}};
  for (const std::string block : {"blocks.0.", "blocks.1."})
    expected.merge(std::map<std::string, Shape>{{block + "norm1.weight", {36}},
                                                {block + "norm1.bias", {36}},
                                                {block + "attn.qkv.weight", {108, 36}},
                                                {block + "attn.qkv.bias", {108}},
                                                {block + "attn.proj.weight", {36, 36}},
                                                {block + "attn.proj.bias", {36}},
                                                {block + "norm2.weight", {36}},
                                                {block + "norm2.bias", {36}},
                                                {block + "mlp.fc1.weight", {72, 36}},
                                                {block + "mlp.fc1.bias", {72}},
                                                {block + "mlp.fc2.weight", {36, 72}},
                                                {block + "mlp.fc2.bias", {36}}});
  std::map<std::string, Shape> found;
  for (const StoredTensor& tensor : file.tensors()) {
    found[tensor.name] = tensor.shape;
    CHECK(tensor.type == StoredType::f64);
  }
  CHECK(found == expected);
  CHECK(file.metadata().at("format") == "pt");
}

// Where an element of a file's tensor comes from in memory: timm's linear weights are [out, in], ours [in, out].
TEST_CASE("Exported weights are transposed to [out, in], the rows of qkv are q, then k, then v", "[job_state]") {
  const TemporaryFolder folder;
  const Tensors memory = train_and_save({}, folder.path());
  const SafetensorsFile file(folder / "model.safetensors");
  const auto read = [&](const std::string& name) {
    std::vector<double> values(byte_size(*file.find(name)) / sizeof(double));
    file.read(name, std::as_writable_bytes(std::span(values)));
    return values;
  };
  constexpr std::size_t hidden = 36, inner = 72, heads = 12, width = 3;
  const std::vector<double> fc1 = read("blocks.0.mlp.fc1.weight"), qkv = read("blocks.0.attn.qkv.weight"),
                            proj = read("blocks.0.attn.proj.weight"), bias = read("blocks.0.attn.qkv.bias");
  const test::LogicalTensor &our_fc1 = memory.at("blocks.0.mlp.fc1.weight"),
                            &our_qkv = memory.at("blocks.0.attn.qkv.weight"),
                            &our_proj = memory.at("blocks.0.attn.proj.weight");
  bool same = true;
  for (std::size_t out = 0; out < inner; ++out)
    for (std::size_t in = 0; in < hidden; ++in) same = same && fc1[out * hidden + in] == our_fc1[in * inner + out];
  CHECK(same);
  for (std::size_t t = 0; t < 3; ++t)  // q, k, v
    for (std::size_t n = 0; n < heads; ++n)
      for (std::size_t d = 0; d < width; ++d)
        for (std::size_t in = 0; in < hidden; ++in)
          same = same && qkv[((t * heads + n) * width + d) * hidden + in] ==
                             our_qkv[((in * 3 + t) * heads + n) * width + d];  // [h, t, n, d]
  CHECK(same);
  for (std::size_t out = 0; out < hidden; ++out)
    for (std::size_t in = 0; in < hidden; ++in) same = same && proj[out * hidden + in] == our_proj[in * hidden + out];
  CHECK(same);
  CHECK(bias == memory.at("blocks.0.attn.qkv.bias"));  // [t, n, d] in both
}

TEST_CASE("A checkpoint of another model is refused with every difference, and nothing is changed", "[job_state]") {
  const TemporaryFolder folder;
  (void)train_and_save({}, folder.path());
  JobOptions other = adam_job({});
  other.model = make_vit({.img_size = 6,
                          .patch_size = 3,
                          .in_channels = 1,
                          .num_classes = 12,
                          .hidden_size = 36,
                          .depth = 3,
                          .num_heads = 12,
                          .mlp_ratio = 2});
  std::string message;
  bool unchanged = false;
  test::run_job(other, [&](Rank& rank, Communicator&) {
    Tensors before, after;
    collect(rank, before);
    try {
      load_tensors(rank, folder.path(), true);
    } catch (const Error& error) {
      message = error.what();
      if (error.exit_code() != 2) message += " (exit code 1)";
    }
    collect(rank, after);
    unchanged = before == after;
  });
  CHECK(unchanged);
  CHECK_THAT(message, Catch::Contains("model.safetensors is of another model"));
  CHECK_THAT(message, Catch::Contains("head.weight is F64 [10, 36], expected F64 [12, 36]"));
  CHECK_THAT(message, Catch::Contains("blocks.2.norm1.weight is missing"));
  CHECK_THAT(message, !Catch::Contains("exit code"));
}

}  // namespace
}  // namespace ctrain
