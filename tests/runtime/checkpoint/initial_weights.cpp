#include "runtime/checkpoint/initial_weights.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "../temporary_folder.h"
#include "memory/error.h"
#include "ops/narrow_floats.h"
#include "runtime/checkpoint/safetensors.h"
#include "runtime/models/gpt2.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;

JobOptions gpt2_job(const test::MeshCase& mesh) {
  JobOptions job = test::small_job(mesh, 4, DType::f32);
  job.model = make_gpt2({.vocab_size = 11, .max_position_embeddings = 6, .hidden_size = 8, .depth = 1, .num_heads = 2});
  job.sample.extents = {5};
  return job;
}

// Element i of every tensor is i / 8, which every float type holds.
template <typename T>
void write(const std::filesystem::path& path, const std::vector<StoredTensor>& tensors) {
  SafetensorsWriter writer(path, tensors, {{"format", "pt"}});
  for (const StoredTensor& tensor : tensors) {
    std::vector<T> numbers;
    for (std::uint64_t i = 0; i < byte_size(tensor) / sizeof(T); ++i)
      numbers.push_back(static_cast<T>(static_cast<float>(i % 1024) / 8));
    writer.write(tensor.name, std::as_bytes(std::span(numbers)));
  }
  writer.finish();
}

// As GPT2Model saves it: without the first part of the names, with the mask's buffers.
std::vector<StoredTensor> published(StoredType type) {
  const std::string block = "h.0.";
  return {{"wte.weight", type, {11, 8}},
          {"wpe.weight", type, {6, 8}},
          {block + "ln_1.weight", type, {8}},
          {block + "ln_1.bias", type, {8}},
          {block + "attn.bias", type, {1, 1, 6, 6}},
          {block + "attn.masked_bias", type, {}},
          {block + "attn.c_attn.weight", type, {8, 24}},
          {block + "attn.c_attn.bias", type, {24}},
          {block + "attn.c_proj.weight", type, {8, 8}},
          {block + "attn.c_proj.bias", type, {8}},
          {block + "ln_2.weight", type, {8}},
          {block + "ln_2.bias", type, {8}},
          {block + "mlp.c_fc.weight", type, {8, 32}},
          {block + "mlp.c_fc.bias", type, {32}},
          {block + "mlp.c_proj.weight", type, {32, 8}},
          {block + "mlp.c_proj.bias", type, {8}},
          {"ln_f.weight", type, {8}},
          {"ln_f.bias", type, {8}}};
}

const Program& program_of(const Plan& plan) { return plan.training.compiled.program; }

TEST_CASE("Published weights of any float type, with and without the first part of their names", "[initial_weights]") {
  const TemporaryFolder folder;
  auto tensors = published(StoredType::f32);
  write<float>(folder / "f32.safetensors", tensors);
  write<double>(folder / "f64.safetensors", published(StoredType::f64));
  write<Bfloat16>(folder / "bf16.safetensors", published(StoredType::bf16));
  write<Float16>(folder / "f16.safetensors", published(StoredType::f16));
  for (StoredTensor& tensor : tensors) tensor.name = "transformer." + tensor.name;
  tensors.push_back({"lm_head.weight", StoredType::f32, {11, 8}});
  std::filesystem::create_directory(folder / "whole");
  write<float>(folder / "whole" / "model.safetensors", tensors);
  for (const char* name : {"f32.safetensors", "f64.safetensors", "bf16.safetensors", "f16.safetensors", "whole"}) {
    INFO(name);
    const Plan plan = make_plan(gpt2_job({}), 0);
    CHECK_NOTHROW(check_initial_weights(program_of(plan), folder / name, "model.init_from"));
    int parameters = 0;
    load_initial_weights(program_of(plan), folder / name, [&](const std::string&, const std::vector<std::byte>& part) {
      ++parameters;
      const auto* numbers = reinterpret_cast<const float*>(part.data());
      bool equal = true;
      for (std::size_t i = 0; i < part.size() / sizeof(float); ++i)
        equal = equal && numbers[i] == static_cast<float>(i % 1024) / 8;
      CHECK(equal);
    });
    CHECK(parameters == 16);
  }
  // Each rank picks its own part: of the second, the second half of the queries, keys and values.
  const Plan half = make_plan(gpt2_job({"1d", 1, 2}), 1);
  load_initial_weights(
      program_of(half), folder / "f32.safetensors", [&](const std::string& name, const std::vector<std::byte>& part) {
        if (name != "transformer.h.0.attn.c_attn.bias") return;
        std::vector<float> numbers(part.size() / sizeof(float));
        std::memcpy(numbers.data(), part.data(), part.size());
        CHECK(numbers == std::vector<float>{0.5, 0.625, 0.75, 0.875, 1.5, 1.625, 1.75, 1.875, 2.5, 2.625, 2.75, 2.875});
      });
}

TEST_CASE("Weights of another model are refused with every difference", "[initial_weights]") {
  const TemporaryFolder folder;
  auto tensors = published(StoredType::f32);
  tensors[0].shape = {12, 8};
  tensors.back().name = "h.1.ln_1.bias";
  write<float>(folder / "other.safetensors", tensors);
  const Plan plan = make_plan(gpt2_job({}), 0);
  const auto check = [&](const std::filesystem::path& path) {
    check_initial_weights(program_of(plan), path, "model.init_from");
  };
  CHECK_THROWS_WITH(check(folder / "other.safetensors"),
                    Contains("model.init_from: ") && Contains("is of another model:") &&
                        Contains("wte.weight is F32 [12, 8], expected F32 [11, 8]") &&
                        Contains("transformer.ln_f.bias is missing") && Contains("h.1.ln_1.bias is of no parameter"));
  CHECK_THROWS_WITH(check(folder / "none.safetensors"), Contains("model.init_from: ") && Contains("none.safetensors"));
}

}  // namespace
}  // namespace ctrain
