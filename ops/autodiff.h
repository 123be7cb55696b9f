// Reverse-mode differentiation on the logical graph: gradients are appended as graph ops, so that a backward op is
// partitioned, planned and run like any other.
#pragma once

#include <map>

#include "ops/graph.h"

namespace ctrain {

using Gradients = std::map<const Value*, Value*>;

// Gradients of `root` with respect to every parameter and every input that wants one. Without a `seed` the root is a
// loss that brings its fused gradient; with one, the root is any value and `seed` its gradient.
Gradients backward(Graph& graph, Value* root, Value* seed = nullptr);

}  // namespace ctrain
