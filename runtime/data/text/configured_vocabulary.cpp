#include "runtime/data/text/configured_vocabulary.h"

namespace ctrain {

namespace fs = std::filesystem;

Vocabulary configured_vocabulary(const Arguments& dataset) {
  if (!dataset.has("tokenizer")) return byte_vocabulary();
  const Arguments tokenizer(dataset.setting("tokenizer"), dataset.key() + ".tokenizer");
  const std::string file = tokenizer.text("file", ""), vocab = tokenizer.text("vocab", ""),
                    merges = tokenizer.text("merges", "");
  if (file.empty() ? vocab.empty() || merges.empty() : !vocab.empty() || !merges.empty())
    throw tokenizer.error("", "expected vocab and merges, or file");
  std::error_code unreadable;
  const fs::path first = fs::is_directory(file, unreadable) ? fs::path(file) / "vocab.json" : fs::path(file);
  if (!file.empty() && !fs::exists(first, unreadable))
    throw tokenizer.error(
        "", fmt::format("{}: no such file; `ctrain tokenizer train --input TEXT --output {}` makes one", first.string(),
                        file));
  try {
    return file.empty() ? read_vocabulary(vocab, merges) : read_vocabulary(file);
  } catch (const Error& problem) {
    throw tokenizer.error("", problem.what());
  }
}

}  // namespace ctrain
