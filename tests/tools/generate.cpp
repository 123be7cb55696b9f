// `ctrain generate`: a language model that has learned a text by heart says how it goes on.
#include <catch2/catch.hpp>

#include "program.h"

namespace ctrain {
namespace {

const char* const language_model = R"(BATCH_SIZE: 8
NUM_EPOCHS: 50
model: {type: gpt2, vocab_size: 300, n_positions: 32, n_embd: 48, n_layer: 2, n_head: 4}
train_data:
  dataset: {type: TextDataset, path: text.txt, seq_len: 32, split: all}
  dataloader: {shuffle: true}
loss: CrossEntropyLoss
optimizer: {type: AdamW, lr: 3e-3}
peak_flops: 1e12
)";

TEST_CASE("A trained model goes on with a text", "[generate]") {
  const Workplace place;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The rain in Spain stays mainly in the plain. ";
  place.write("text.txt", text);
  place.write("config.yaml", language_model);
  const std::vector<std::string> cached{"env", "CTRAIN_CACHE=" + (place.path() / "cache").string()};
  const Ended trained = place.run(
      {"--config", "config.yaml", "--steps", "300", "--output", "run", "--set", "checkpoints={every: 300}", "--quiet"},
      cached);
  INFO(trained.error);
  REQUIRE(trained.exit_code == 0);
  for (const char* key : {"\"tokens_per_second\":", "\"mfu\":", "\"mfu_full_attention\":", "\"mfu_with_recompute\":"})
    CHECK_THAT(place.read("run/metrics.jsonl"), Catch::Matchers::Contains(key));

  const auto generated = [&](const std::vector<std::string>& options) {
    std::vector<std::string> arguments{"generate", "--checkpoint", "run/checkpoints/step_300"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Ended ended = place.run(arguments, cached);
    CHECK(ended.error.empty());
    CHECK(ended.exit_code == 0);
    return ended.output;
  };
  // More tokens than the model sees at once.
  const std::string prompt = "The rain in Spain ";
  CHECK(generated({"--prompt", prompt, "--temperature", "0", "--max_tokens", "50"}) ==
        prompt + text.substr(prompt.size(), 50) + "\n");
  CHECK(generated({"--prompt", prompt, "--max_tokens", "0"}) == prompt + "\n");
  const std::string drawn = generated({"--temperature", "5", "--top_p", "0.9", "--seed", "1", "--max-tokens", "30"});
  CHECK(drawn == generated({"--temperature", "5", "--top_p", "0.9", "--seed", "1", "--max-tokens", "30"}));
  CHECK(drawn != generated({"--temperature", "5", "--top_p", "0.9", "--seed", "2", "--max-tokens", "30"}));
}

TEST_CASE("What generate refuses", "[generate]") {
  const Workplace place;
  check_refused(place, {"generate", "--prompt", "a"}, {"--checkpoint is missing"});
  check_refused(place, {"generate", "--checkpoint", "nowhere"}, {"nowhere"});
  check_refused(place, {"generate", "--checkpoint", "x", "--top_p", "0"}, {"--top-p", "expected a number in (0, 1]"});
  check_refused(place, {"generate", "--checkpoint", "x", "--temperature", "-1"}, {"--temperature", "a number >= 0"});
  place.write("config.yaml", small_vit());
  REQUIRE(place.run({"--config", "config.yaml", "--steps", "0", "--output", "vit", "--quiet"}).exit_code == 0);
  check_refused(place, {"generate", "--checkpoint", "vit/checkpoints/step_0"}, {"holds a model 'vit'"});
}

}  // namespace
}  // namespace ctrain
