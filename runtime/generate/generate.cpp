#include "runtime/generate/generate.h"

#include <algorithm>

#include "memory/error.h"
#include "runtime/checkpoint/checkpoint_folder.h"
#include "runtime/data/text/tokenizer.h"
#include "runtime/generate/language_model.h"
#include "runtime/job.h"

namespace ctrain {
namespace {

Configuration configuration_of(const std::filesystem::path& checkpoint) {
  (void)read_manifest(checkpoint);  // it is a complete one
  Configuration configuration = load_configuration(checkpoint / "config.yaml");
  const std::string& type = configuration.root["model"]["type"].text();
  if (type != "gpt2")
    throw usage_error("--checkpoint: {} holds a model '{}': expected a language model, gpt2", checkpoint.string(),
                      type);
  return configuration;
}

}  // namespace

void generate(const GenerateOptions& options, const std::function<void(std::string_view)>& write) {
  const std::filesystem::path checkpoint = named_checkpoint(options.checkpoint);
  const Configuration configuration = configuration_of(checkpoint);
  const Setting& root = configuration.root;
  const Tokenizer tokenizer(read_vocabulary(checkpoint));
  const std::int64_t vocabulary = root.at("model.vocab_size").integer();
  if (tokenizer.size() > vocabulary)
    throw usage_error("--checkpoint: the tokenizer of {} has {} ids, the model {}", checkpoint.string(),
                      tokenizer.size(), vocabulary);

  std::vector<std::int32_t> tokens = tokenizer.encode(options.prompt);
  if (tokens.empty()) tokens.push_back(tokenizer.vocabulary().end_of_text);
  const std::int64_t window =
      std::min(root.at("train_data.dataset.seq_len").integer(), std::ssize(tokens) + options.max_tokens);
  LanguageModel model(job_options(configuration), window, checkpoint);
  TokenSampler sampler(options.sampling);
  write(options.prompt);
  for (std::int64_t i = 0; i < options.max_tokens; ++i) {
    const std::span<const std::int32_t> all(tokens);
    const auto seen = all.last(std::min(all.size(), static_cast<std::size_t>(window)));
    // Ids above the tokenizer's, which only fill the table up, stand for no text.
    const auto scores = model.next_scores(seen).first(static_cast<std::size_t>(tokenizer.size()));
    const std::int32_t token = sampler.next(scores);
    if (token == tokenizer.vocabulary().end_of_text) break;
    tokens.push_back(token);
    write(tokenizer.decode({&token, 1}));
  }
}

}  // namespace ctrain
