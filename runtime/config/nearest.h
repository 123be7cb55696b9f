// Did you mean: the valid spelling nearest to what was written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ctrain {

// Single-character insertions, deletions, replacements and swaps of neighbours that turn a into b, without regard to
// case.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, the first of equals; "" where all differ in more than a third of its letters (at
// least 2).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace ctrain
