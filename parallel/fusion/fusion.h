// Fusion: local steps of one rank's program that are better done in one pass over memory. What crosses a split
// dimension is several ops in the logical graph (statistics, then apply); where the dimension turned out to be whole on
// this rank, they join again here. Nothing is lost where they do not: every fused kernel is a composition of kernels of
// ops (ops/reference/fused.cpp).
//
//   linear                 matmul, bias                                   X W + b
//   layer_norm_fused       layer_norm_sum, layer_norm_squares, layer_norm          y, sum, squares
//   layer_norm_grad_fused  layer_norm_grad_sums, _input, _weight, sum over rows    dx, dweight, dbias
//
// And steps of the same op for many tensors, most of them small, become one of that op for a list of tensors
// (ops/tensor_list.h): updates, squares of gradients, casts of small parameters.
#pragma once

#include "parallel/program.h"

namespace ctrain {

class ProgramEditor;

void fuse(Program& program);

// Each in a file of its own, in the order in which fuse() runs them.
void fuse_linear(ProgramEditor& editor);
void fuse_layer_norm(ProgramEditor& editor);
void fuse_tensor_lists(ProgramEditor& editor);

}  // namespace ctrain
