// The vocabulary that a text dataset's argument `tokenizer` names ({vocab, merges} or {file}); without it, bytes.
#pragma once

#include "runtime/data/arguments.h"
#include "runtime/data/text/vocabulary.h"

namespace ctrain {

// A usage Error that begins with the place of the argument.
[[nodiscard]] Vocabulary configured_vocabulary(const Arguments& dataset);

}  // namespace ctrain
