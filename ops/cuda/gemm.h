// One product on cuBLASLt, and what the library does beside it in the same pass over the output: its epilogue.
#pragma once

#include <cstdint>

#include "ops/kernel.h"

namespace ctrain::cuda {

enum class Epilogue : std::uint8_t {
  none,
  bias,           // + vector over the columns
  gelu,           // the same, then the tanh GELU; what it is taken of goes to the matrix, where there is one
  gelu_grad,      // times the derivative of the tanh GELU at the matrix
  bias_gradient,  // the vector is the sum of one of the operands over what is contracted
};

// What a node's kernel is on cuBLASLt. Operands are numbered: the node's inputs, then its outputs; -1: none. The
// product is that of the first two inputs and goes to the first output.
struct GemmEpilogue {
  Epilogue kind = Epilogue::none;
  int vector = -1, matrix = -1;
  int addend = -1;  // of the output's shape, added to the product before all else; the output may take its memory
};

// `otherwise` runs where the product is none of cuBLASLt's, where the epilogue does not fit the operands, and where the
// library has no algorithm for the two together.
[[nodiscard]] Kernel gemm(const LocalNode& node, const GemmEpilogue& epilogue, const Kernel& otherwise);

// Whether that is not so: does the library, on the current GPU, have an algorithm for operands that are well aligned?
[[nodiscard]] bool is_taken(const LocalNode& node, const GemmEpilogue& epilogue);

}  // namespace ctrain::cuda
