// Mixed precision: a graph whose activations are of a shorter type than its parameters (bf16 beside fp32). The rule is
// applied to every node as it is appended, forward and backward alike.
//
//   shorter   products, biases, embeddings, attention and what follows from them: activations, dropout, residual sums,
//             and the gradients of all these. A parameter that such an op reads gets one copy in the shorter type, made
//             by a `cast` in each step: the parameter itself, the master, is what the optimizer, checkpoints and norms
//             of gradients see.
//   fp32      what a normalisation or a softmax adds up (statistics), weights of layer norms, losses and metrics; and
//             the gradients of parameters, which the op that sums one writes in fp32, so that ranks add fp32.
// (Micikevicius et al., "Mixed Precision Training", ICLR 2018; bf16 has the exponents of fp32 and needs no scaling.)
#pragma once

#include <vector>

#include "ops/graph.h"

namespace ctrain {

// What a node of this op reads where it is given `inputs`: these, or casts of them.
[[nodiscard]] std::vector<Value*> operands_of(const OpDefinition& op, const std::vector<Value*>& inputs);

// `gradient`, which was made for this parameter or for a copy of one, in the parameter's type.
[[nodiscard]] Value* master_gradient(Value* gradient, const Value* parameter);

}  // namespace ctrain
