// Between what ranks hold and what files show: a rank's block of a parameter (or of an optimizer state, in the form of
// its parameter) and the whole tensor in the public model's shape.
#pragma once

#include <cstddef>
#include <string>

#include "parallel/program.h"
#include "runtime/checkpoint/safetensors_header.h"

namespace ctrain {

// What a file has of it: the value's name, the public shape, and the element type that ranks compute with.
[[nodiscard]] StoredTensor public_tensor(const Block& block);
[[nodiscard]] std::string text_of(const StoredTensor& tensor);  // "F32 [2304, 768]"

// Copies the elements of `rank`'s block into the whole tensor, or picks them out of it. Both are of the block's type.
void to_whole(const Program& program, int rank, const Block& block, const std::byte* part, std::byte* whole);
void from_whole(const Program& program, int rank, const Block& block, const std::byte* whole, std::byte* part);

}  // namespace ctrain
