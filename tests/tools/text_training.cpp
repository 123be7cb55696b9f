// What a user does with a text of his own: makes a tokenizer, trains, goes on in the middle of an epoch, generates.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"

namespace ctrain {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using Json = nlohmann::json;

constexpr const char* tiny_text = CTRAIN_SOURCE_DIR "/configs/gpt2_tiny_text.yaml";

// A folder to work in, with a text; tokens are kept in another.
class Study : public Workplace {
 public:
  Study() {
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += "And the sons of the " + std::to_string(i * i) + " houses went up to the mountain.\n";
    write("text.txt", text);
  }

  Ended done(const std::vector<std::string>& arguments) const {
    Ended ended = run(arguments, {"env", "CTRAIN_CACHE=" + cache_.path().string()});
    INFO(ended.error);
    REQUIRE(ended.exit_code == 0);
    return ended;
  }
  void make_tokenizer(const std::string& text) const {
    done({"tokenizer", "train", "--input", text, "--vocab_size", "300", "--output", "tokenizer", "--quiet"});
  }
  // Of configs/gpt2_tiny_text.yaml, made smaller.
  void train(const std::string& text, const std::string& output, const std::vector<std::string>& more) const {
    std::vector<std::string> words{"--config", tiny_text, "--output", output, "--quiet", "--threads", "1"};
    for (const char* setting : {"TOKENIZER=tokenizer", "SEQ_LEN=16", "BATCH_SIZE=4", "model.vocab_size=300",
                                "model.n_embd=32", "model.n_layer=1", "test_data.dataset.test_size=0.2",
                                "train_data.dataset.test_size=0.2", "checkpoints={every: 1}"})
      words.insert(words.end(), {"--set", setting});
    words.insert(words.end(), {"--set", "TEXT=" + text});
    words.insert(words.end(), more.begin(), more.end());
    done(words);
  }
  [[nodiscard]] std::vector<Json> metrics(const std::string& run) const {
    std::vector<Json> lines;
    std::istringstream text(read(run + "/metrics.jsonl"));
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }

 private:
  TemporaryFolder cache_;
};

TEST_CASE("Training on text goes on in the middle of an epoch as if it had never stopped", "[resume]") {
  const Study study;
  study.make_tokenizer("text.txt");
  const int workers = GENERATE(0, 1, 3);
  const std::vector<std::string> settings{"--set", "train_data.dataloader.num_workers=" + std::to_string(workers),
                                          "--set", "model.dropout=0.1"};
  const auto train = [&](const std::string& output, const std::string& steps, std::vector<std::string> more = {}) {
    more.insert(more.end(), settings.begin(), settings.end());
    more.insert(more.end(), {"--steps", steps});
    study.train("text.txt", output, more);
  };
  train("whole", "25");
  train("parts", "6");
  train("parts", "19", {"--resume", "auto"});
  train("parts", "25", {"--resume", "parts"});
  const auto whole = study.metrics("whole"), parts = study.metrics("parts");
  REQUIRE(whole.size() == parts.size());
  std::int64_t epoch_steps = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i]["kind"] == "epoch") epoch_steps = whole[i]["step"];
    for (const char* key : {"kind", "step", "epoch", "loss", "lr", "grad_norm", "accuracy", "bits_per_byte"})
      CHECK(whole[i].value(key, Json()) == parts[i].value(key, Json()));
  }
  REQUIRE(epoch_steps > 6);  // the steps 6 and 19 end in the middle of the first and of the second epoch
  CHECK(19 % epoch_steps != 0);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"})
    CHECK(study.read(std::string("whole/checkpoints/step_25/") + file) ==
          study.read(std::string("parts/checkpoints/step_25/") + file));
}

TEST_CASE("A run folder is evaluated, and generates wherever it is without the text and its tokenizer", "[generate]") {
  const Study study;
  study.make_tokenizer("text.txt");
  study.train("text.txt", "run", {"--steps", "30"});
  const Ended evaluated = study.done({"eval", "--config", "run/config.yaml", "--checkpoint", "run", "--threads", "1"});
  CHECK_THAT(evaluated.output, Contains("\"step\":30,") && Contains("\"bits_per_byte\":"));

  const std::vector<std::string> generate{"generate", "--checkpoint",  "moved", "--prompt", "And", "--max-tokens",
                                          "5",        "--temperature", "0"};
  std::filesystem::rename(study.path() / "run", study.path() / "moved");
  for (const char* used : {"tokenizer", "text.txt"}) std::filesystem::remove_all(study.path() / used);
  CHECK_THAT(study.done(generate).output, StartsWith("And"));
  for (const char* file : {"vocab.json", "merges.txt"})
    CHECK_THAT(study.read("moved/checkpoints/step_30/manifest.json"), Contains(file));
}

TEST_CASE("A few steps of configs/gpt2_tiny_text.yaml", "[generate]") {
  const Study study;
  check_refused(study, {"--config", tiny_text},
                {"train_data.dataset.path: runs/bible/text.txt: no such file", "apt install bible-kjv"});
  if (std::system("command -v bible > /dev/null") != 0) {
    WARN("skipped: the Debian package bible-kjv is not installed");
    return;
  }
  const char* make_text =
      "mkdir -p runs/bible; bible -f gen1:1-rev22:21 | cut -d' ' -f2- > runs/bible/text.txt; exec \"$0\" \"$@\"";
  REQUIRE(study
              .run({"tokenizer", "train", "--input", "runs/bible/text.txt", "--vocab_size", "1024", "--output",
                    "runs/bible", "--quiet"},
                   {"bash", "-c", make_text})
              .exit_code == 0);
  study.done({"--config", tiny_text, "--steps", "3", "--set", "checkpoints.every=3", "--set", "BATCH_SIZE=2"});
  CHECK_THAT(study
                 .done({"generate", "--checkpoint", "runs/gpt2_tiny_text", "--prompt", "In the beginning",
                        "--max-tokens", "3"})
                 .output,
             StartsWith("In the beginning"));
}

}  // namespace
}  // namespace ctrain
