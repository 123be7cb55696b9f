// How the blocks of a model are cut into the parts of a pipeline: stages x chunks contiguous ranges in the model's
// order (position p of a Schedule has part p). None is empty; a count that cannot work is a usage error with the
// nearest that can. The names are Colossal-AI's.
#pragma once

#include <vector>

namespace ctrain {

struct BlockRange {
  int first = 0, last = 0;  // [first, last)
  bool operator==(const BlockRange&) const = default;
};

// As equal counts of blocks as can be: the chunks are equal (the blocks must divide by them), and within a chunk the
// last stages take one more where a remainder is left.
[[nodiscard]] std::vector<BlockRange> uniform_cut(int blocks, int stages, int chunks);

// The heaviest part is as light as can be; of such cuts, the one with the most even parts (the least sum of squares).
// `weights`: of each block, 0 or more, in any unit: parameters, FLOPs.
[[nodiscard]] std::vector<BlockRange> balanced_cut(const std::vector<double>& weights, int stages, int chunks);

// At explicit places: the first blocks of all parts but the first, ascending.
[[nodiscard]] std::vector<BlockRange> customized_cut(int blocks, const std::vector<int>& cuts, int stages, int chunks);

}  // namespace ctrain
