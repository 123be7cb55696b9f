// Fusion: local steps of one rank's program that are better done in one pass over memory. What crosses a split
// dimension is several ops in the logical graph (statistics, then apply); where the dimension turned out to be whole on
// this rank, they join again here. Nothing is lost where they do not: every fused kernel is a composition of kernels of
// ops (ops/fused_products.h, ops/reference/fused.cpp).
//
//   linear                 matmul, bias                                   X W + b
//   linear_residual        linear, add                                    X W + b + residual
//   linear_gelu            linear, activation (gelu_tanh)                 gelu(U), U = X W + b
//   matmul_gelu_grad       matmul, activation_grad (gelu_tanh)            (dY Wᵀ) gelu'(U)
//   linear_grad_weight     matmul, sum over what it contracts             dW = Xᵀ dY, db
//   layer_norm_fused       layer_norm_sum, layer_norm_squares, layer_norm          y, sum, squares
//   layer_norm_grad_fused  layer_norm_grad_sums, _input, _weight, sum over rows    dx, dweight, dbias
//     both: with the add of a residual before, or of its gradient behind
//   cross_entropy_fused    class_max, _sum_exp, _target, _nll (, _place, correct)  nll, m, e (, correct)
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
void fuse_residual(ProgramEditor& editor);
void fuse_gelu(ProgramEditor& editor);
void fuse_bias_gradient(ProgramEditor& editor);
void fuse_layer_norm(ProgramEditor& editor);
void fuse_layer_norm_residual(ProgramEditor& editor);
void fuse_cross_entropy(ProgramEditor& editor);
void fuse_tensor_lists(ProgramEditor& editor);

}  // namespace ctrain
