// Texts are tokenised once: the ids are kept in a folder of the user's, under a name that says which files (path, size,
// time of change) and which tokenizer they come from, and every later run maps them. Files there may be deleted.
#pragma once

#include <filesystem>
#include <vector>

#include "runtime/console/logger.h"
#include "runtime/data/text/text_source.h"
#include "runtime/data/text/token_file.h"
#include "runtime/data/text/tokenizer.h"

namespace ctrain {

// $CTRAIN_CACHE, or else ctrain in $XDG_CACHE_HOME or in ~/.cache. A usage Error where none of them is set.
std::filesystem::path cache_folder();

// The tokens of these files, tokenised first where they are not in `cache` yet: on all cores, with a progress bar on
// the logger's console (nullptr: silently), by one of the processes of a host while the others wait. The ids depend on
// nothing but the text and the tokenizer. Usage Errors: text that cannot be read (TextSource, TextPiece), holds
// nothing, or a cache that cannot be written.
TokenFile tokenise(const std::vector<std::filesystem::path>& files, TextFormat format, const Tokenizer& tokenizer,
                   const std::filesystem::path& cache, const Logger* logger);

}  // namespace ctrain
