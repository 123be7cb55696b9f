// Cuts text into the words that byte-pair encoding works on, by GPT-2's regular expression: contractions ('s, 'll),
// letters, digits and other signs, each with the space before them, and white space. No token spans two words.
#pragma once

#include <pcre2.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>

#include "memory/error.h"
#include "runtime/data/text/utf8.h"

namespace ctrain {

// Of one thread at a time.
class PreTokenizer {
 public:
  PreTokenizer();

  // Calls take(word) with the words of `text` in order; together they are the text. Bytes that are no UTF-8 are words
  // of their own.
  template <typename Take>
  void split(std::string_view text, Take&& take) {
    while (!text.empty()) {
      const std::size_t valid = find_invalid_utf8(text);
      split_valid(text.substr(0, valid), take);
      if (valid < text.size()) take(text.substr(valid, 1));
      text.remove_prefix(std::min(valid + 1, text.size()));
    }
  }

  // The largest place, up to text.size(), at which a text that goes on can be cut without changing its words; 0 where
  // there is none.
  static std::size_t last_cut(std::string_view text);

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };

  template <typename Take>
  void split_valid(std::string_view text, Take&& take) {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    for (std::size_t start = 0; start < text.size();) {
      const int found =
          pcre2_match(pattern_.get(), subject, text.size(), start, PCRE2_NO_UTF_CHECK, match_.get(), nullptr);
      require(found > 0 && range_[0] == start, "the pre-tokenizer stops at byte {}: PCRE2 says {}", start, found);
      take(text.substr(start, range_[1] - start));
      start = range_[1];
    }
  }

  std::unique_ptr<pcre2_code, Free> pattern_;
  std::unique_ptr<pcre2_match_data, Free> match_;
  const std::size_t* range_;  // begin and end of the match
};

}  // namespace ctrain
