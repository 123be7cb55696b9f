// The tokens of a byte-level BPE tokenizer and the merges that make them, and GPT-2's two files of them:
// vocab.json, {"!": 0, ..., "Ġt": 256, ...}, and merges.txt, a line "Ġ t" for each merge, the first ones first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ctrain {

inline constexpr const char* end_of_text_name = "<|endoftext|>";

struct Merge {
  std::int32_t left = 0, right = 0, result = 0;  // ids
};

struct Vocabulary {
  std::vector<std::string> tokens;  // the bytes of each id
  std::vector<Merge> merges;        // by rank
  std::int32_t end_of_text = 0;     // the id between documents; its bytes are its name
};

// The 256 bytes, in GPT-2's order, and <|endoftext|>: a tokenizer that was not trained.
Vocabulary byte_vocabulary();

// A usage Error that begins with the file (and the line) where one cannot be read or is damaged, where <|endoftext|> or
// one of the 256 bytes is missing, or where the files are not of one tokenizer: a merge of tokens that are not there,
// or a token that no merge makes (but for special ones, whose names stand in angle brackets).
Vocabulary read_vocabulary(const std::filesystem::path& vocab_json, const std::filesystem::path& merges_txt);

// The same from a folder with vocab.json and merges.txt, or from Hugging Face's tokenizer.json of such a tokenizer.
Vocabulary read_vocabulary(const std::filesystem::path& path);

// Writes both files into a folder, which is made where it is missing.
void write_vocabulary(const Vocabulary& vocabulary, const std::filesystem::path& folder);

// A number that differs where the vocabularies do.
std::uint64_t fingerprint(const Vocabulary& vocabulary);

}  // namespace ctrain
