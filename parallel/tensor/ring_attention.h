// Ring self-attention (Li et al., "Sequence Parallelism", 2021, section 3.2; Liu et al., "Ring Attention with Blockwise
// Transformers", 2023): the tokens are split over P ranks. Queries stay; blocks of keys and values travel once round
// the ring, and every rank folds what passes into its outputs with an online softmax, so no rank holds a row of scores.
// In the backward pass the gradients of keys and values travel with them and take one more step home.
//   forward     P-1 shifts of K|V                    2 (P-1)/P |K| elements sent per rank, |K| = elements of all keys
//   backward    P-1 shifts of K|V, P of dK|dV        2 (P-1)/P |K| + 2 |K|
// Together (6P - 4)/P |K|. A pair of blocks that a causal mask hides whole costs no arithmetic; with the zigzag order
// of tokens (parallel/layout.h) every rank has the same share of the others.
#pragma once

#include <vector>

#include "parallel/program_builder.h"

namespace ctrain {

// `inputs` and `outputs` are this rank's blocks of the node's operands and results, all split over `ring` along s.
void append_ring_attention(ProgramBuilder& builder, const Node& node, Axis ring, const Assignment& assignment,
                           const std::vector<BlockId>& inputs, const std::vector<BlockId>& outputs);
void append_ring_attention_grad(ProgramBuilder& builder, const Node& node, Axis ring, const Assignment& assignment,
                                const std::vector<BlockId>& inputs, const std::vector<BlockId>& outputs);

}  // namespace ctrain
