// GPT-2's parameters: numbers, names, shapes and first values; blocks; what a configuration of it must be.
#include "runtime/models/gpt2.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>

#include "runtime/job.h"
#include "runtime/models/mlp.h"
#include "runtime/plan_facts.h"
#include "runtime/training_graph.h"
#include "tests/runtime/config/config_text.h"
#include "tests/support/small_job.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;

const char* const tokens = "{dataset: {type: SyntheticDataset, vocab_size: 61, seq_len: 8}}";

// A configuration with this model: lines of `valid_text` replaced.
std::string model_problem(const std::string& model, const std::vector<std::string>& more = {}) {
  std::vector<std::string> overrides{"model=" + model, std::string("train_data=") + tokens};
  overrides.insert(overrides.end(), more.begin(), more.end());
  return test::problem("", overrides);
}

JobOptions job_of(const std::string& model, std::int64_t length) {
  const std::string data =
      "train_data={dataset: {type: SyntheticDataset, vocab_size: 61, seq_len: " + std::to_string(length) + "}}";
  return job_options(test::load("", {"model=" + model, data}));
}

std::map<std::string, std::vector<std::int64_t>> public_shapes(const JobOptions& job) {
  Graph graph;
  graph.set_extent({'b'}, 1);
  (void)job.model->build(graph, {false, job.sample, {}});
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const Value* parameter : graph.parameters()) shapes[parameter->name] = parameter->form.shape;
  return shapes;
}

std::int64_t count(const std::map<std::string, std::vector<std::int64_t>>& shapes) {
  std::int64_t total = 0;
  for (const auto& [name, shape] : shapes) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : shape) elements *= extent;
    total += elements;
  }
  return total;
}

TEST_CASE("Presets have the numbers of parameters of the published models", "[gpt2]") {
  const std::map<std::string, std::int64_t> known = {{"gpt2_small", 124'439'808},     {"gpt2_medium", 354'823'168},
                                                     {"gpt2_large", 774'030'080},     {"gpt2_xl", 1'557'611'200},
                                                     {"gpt2_exlarge", 1'557'611'200}, {"gpt3_175b", 174'604'259'328}};
  for (const auto& [preset, parameters] : known) {
    INFO(preset);
    CHECK(count(public_shapes(job_of("{type: gpt2, preset: " + preset + "}", 8))) == parameters);
  }
  // Sizes that the configuration gives stay; the rest is the preset's.
  const Configuration mixed =
      test::load("", {"model={type: gpt2, preset: gpt2_xl, n_layer: 2, n_head: 5, drop_rate: 0.25}",
                      std::string("train_data=") + tokens});
  CHECK(mixed.root["model"].inline_text() ==
        "{type: gpt2, preset: gpt2_xl, vocab_size: 50257, max_position_embeddings: 1024, hidden_size: 1600, depth: 2, "
        "num_heads: 5, mlp_ratio: 4.0, dropout: 0.25, attention_dropout: 0.0, embed_dropout: 0.0, tie_word_embeddings: "
        "true, layer_norm_epsilon: 1e-05, init_from: null}");
}

TEST_CASE("Parameters have the names and shapes of GPT2LMHeadModel", "[gpt2]") {
  const std::string model = "{type: gpt2, vocab_size: 61, n_positions: 16, n_embd: 24, n_layer: 1, n_head: 4";
  using Shape = std::vector<std::int64_t>;
  std::map<std::string, Shape> expected{{"transformer.wte.weight", {61, 24}},
                                        {"transformer.wpe.weight", {16, 24}},
                                        {"transformer.h.0.ln_1.weight", {24}},
                                        {"transformer.h.0.ln_1.bias", {24}},
                                        {"transformer.h.0.attn.c_attn.weight", {24, 72}},
                                        {"transformer.h.0.attn.c_attn.bias", {72}},
                                        {"transformer.h.0.attn.c_proj.weight", {24, 24}},
                                        {"transformer.h.0.attn.c_proj.bias", {24}},
                                        {"transformer.h.0.ln_2.weight", {24}},
                                        {"transformer.h.0.ln_2.bias", {24}},
                                        {"transformer.h.0.mlp.c_fc.weight", {24, 96}},
                                        {"transformer.h.0.mlp.c_fc.bias", {96}},
                                        {"transformer.h.0.mlp.c_proj.weight", {96, 24}},
                                        {"transformer.h.0.mlp.c_proj.bias", {24}},
                                        {"transformer.ln_f.weight", {24}},
                                        {"transformer.ln_f.bias", {24}}};
  CHECK(public_shapes(job_of(model + "}", 8)) == expected);
  expected["lm_head.weight"] = {61, 24};
  CHECK(public_shapes(job_of(model + ", tie_word_embeddings: false}", 8)) == expected);
}

TEST_CASE("Initial values: normal 0.02, layers that end a branch smaller by the root of their number", "[gpt2]") {
  JobOptions job = job_of("{type: gpt2, vocab_size: 512, n_positions: 256, n_embd: 64, n_layer: 8, n_head: 4}", 8);
  job.global_batch = 1;
  test::run_job(job, [](Rank& rank, Communicator&) {
    for (const Value* parameter : rank.plan().training.graph.graph->parameters()) {
      const std::string& name = parameter->name;
      const std::vector<std::byte> bytes = rank.read(name);
      const auto* numbers = reinterpret_cast<const float*>(bytes.data());
      const auto size = static_cast<double>(bytes.size() / sizeof(float));
      double sum = 0, squares = 0;
      for (double i = 0; i < size; ++i) {
        const double x = numbers[static_cast<std::size_t>(i)];
        sum += x;
        squares += x * x;
      }
      const double mean = sum / size, deviation = std::sqrt(squares / size);
      INFO(name << ": mean " << mean << ", deviation " << deviation);
      if (name.ends_with(".bias") || name.find(".ln_") != std::string::npos) {
        const double constant = name.ends_with(".bias") ? 0 : 1;
        CHECK((mean == constant && deviation == constant));
        continue;
      }
      const double wanted = name.ends_with("c_proj.weight") ? 0.02 / 4 : 0.02;  // 16 branches
      CHECK(std::abs(mean) < 4 * wanted / std::sqrt(size));
      CHECK(std::abs(deviation / wanted - 1) < 4 / std::sqrt(2 * size));
    }
  });
}

TEST_CASE("A model is a chain of blocks: embeddings in the first, head and loss in the last", "[gpt2][blocks]") {
  JobOptions job = job_of("{type: gpt2, vocab_size: 61, n_positions: 16, n_embd: 24, n_layer: 3, n_head: 4}", 8);
  const auto blocks_of = [](const JobOptions& options) {
    return build_step(*options.model, {true, options.sample, options.target}, 4, DType::f32, options.loss,
                      options.optimizer);
  };
  const StepGraph step = blocks_of(job);
  const Graph& graph = *step.graph;
  CHECK(graph.blocks() == 3);
  for (const Value* parameter : graph.parameters()) {
    const std::string prefix = "transformer.h.";
    int expected = parameter->name.starts_with(prefix) ? parameter->name[prefix.size()] - '0' : 0;
    if (parameter->name.starts_with("transformer.ln_f")) expected = 2;
    INFO(parameter->name);
    CHECK(parameter->block == expected);
    if (expected > 0) CHECK(step.gradients.at(parameter)->block == expected);
  }
  CHECK(step.loss->block == 2);
  // Forward only goes on to the next block, backward only to the one before, and reads what its own block received;
  // only the word table is shared.
  std::size_t position = 0;
  std::set<const Value*> forward_values;
  for (const Node& node : graph.nodes()) {
    const bool forward = position++ < graph.first_backward();
    if (forward) forward_values.insert(node.outputs.begin(), node.outputs.end());
    for (const Value* input : node.inputs) {
      if (input->block == node.block || input->kind == Value::Kind::state) continue;
      if (input->name == "transformer.wte.weight") continue;
      const int distance = node.block - input->block;
      const bool is_metric = node.op->name == "add" && node.outputs[0]->dims.empty();
      INFO(node.name << " reads " << input->name << " of block " << input->block << " in block " << node.block);
      if (forward) CHECK((distance == 1 || input->name == "labels" || input->name == "tokens"));
      const bool is_received = forward_values.contains(input) && distance == 1;
      if (!forward && !is_metric && !is_received && input->like == nullptr) CHECK(distance == -1);
    }
  }
  CHECK(blocks_of(test::small_job({}, 4)).graph->blocks() == 2);
  job.model = make_mlp({.dims = {8, 12, 12, 61}});
  CHECK(blocks_of(job).graph->blocks() == 3);
}

TEST_CASE("FLOPs of utilisation are the published formulas", "[gpt2][plan_facts]") {
  const double b = 4, s = 8, h = 24, l = 3, v = 61;
  const JobOptions job = job_of("{type: gpt2, vocab_size: 61, n_positions: 16, n_embd: 24, n_layer: 3, n_head: 4}", 8);
  const StepGraph step = build_step(*job.model, {true, job.sample, job.target}, 4, DType::f32, job.loss, job.optimizer);
  const ModelFlops flops = model_flops(*step.graph);
  const double weights = 12 * l * h * h + v * h;
  CHECK(flops.full_attention == b * s * (6 * weights + 12 * l * h * s));
  CHECK(flops.causal == b * s * (6 * weights + 6 * l * h * s));
  CHECK(flops.with_recompute == flops.full_attention / 3 * 4);
}

TEST_CASE("What does not go together in a language model", "[gpt2][config]") {
  CHECK(model_problem("{type: gpt2, n_embd: 100, n_head: 12}") ==
        "--set: model.hidden_size: '100': expected a multiple of 12 (12 heads); nearest 96 and 108");
  CHECK_THAT(model_problem("{type: gpt2, n_embd: 24, n_head: 3}", {"parallel={tensor: {size: 2, mode: 1d}}"}),
             Contains("model.num_heads: '3': expected a multiple of 2 (mode 1d over 2 ranks splits heads 2 ways)"));
  CHECK_THAT(model_problem("{type: gpt2, preset: gpt2_smal}"),
             Contains("model.preset: 'gpt2_smal': expected one of gpt2_small, gpt2_medium, gpt2_large, gpt2_xl, "
                      "gpt2_exlarge, gpt3_175b; did you mean 'gpt2_small'?"));
  CHECK(model_problem("{type: gpt2, n_positions: 7}") ==
        "--set: train_data.dataset.seq_len: '8': expected at most model.max_position_embeddings, 7");
  CHECK_THAT(model_problem("gpt2", {"train_data.dataset={type: SyntheticDataset, shape: [8]}"}),
             Contains("train_data.dataset.type: 'SyntheticDataset': expected a dataset of token sequences"));
  CHECK_THAT(model_problem("{type: mlp, dims: [8, 10]}"), Contains("or model gpt2, which takes token sequences"));
  CHECK_THAT(model_problem("gpt2", {"loss=MSELoss"}), Contains("loss.type: 'MSELoss': expected CrossEntropyLoss"));
  CHECK_THAT(model_problem("gpt2", {"train_data.dataset={type: SyntheticDataset, vocab_size: 61}"}),
             Contains("train_data.dataset.shape: is missing; expected shape (images or features), or vocab_size and "
                      "seq_len"));
  CHECK_THAT(model_problem("gpt2", {"train_data.dataset.shape=[8]"}),
             Contains("expected either shape or vocab_size and seq_len, not both"));
  const std::string larger = "train_data={dataset: {type: SyntheticDataset, vocab_size: 62, seq_len: 8}}";
  const std::string small = "model={type: gpt2, vocab_size: 61, n_embd: 24, n_head: 4, n_layer: 1}";
  CHECK_THROWS_WITH(open_job(test::load("", {small, larger})),
                    Contains("at least 62 classes: train_data has that many"));
  CHECK_THROWS_WITH(open_job(test::load("", {small, std::string("train_data=") + tokens,
                                             "test_data={dataset: {type: SyntheticDataset, vocab_size: 61, seq_len: "
                                             "9}}"})),
                    Contains("test_data.dataset: '[9]': expected sequences of 8 tokens, as in train_data"));
}

}  // namespace
}  // namespace ctrain
