// Builders: what models are written with. Each appends a few nodes to the graph of its operands.
#pragma once

#include <string>
#include <vector>

#include "ops/graph.h"

namespace ctrain {

// x W (+ b): contracts the dimensions that x and W share.  x [.., in], W [in, out], b [out]; b may be nullptr.
Value* linear(Value* x, Value* weight, Value* bias);

Value* add(const std::vector<Value*>& terms);
Value* bias(Value* x, Value* b);
Value* activation(Value* x, const std::string& kind);  // gelu | gelu_tanh | relu | tanh
Value* sum_to(Value* x, const Names& dims);            // x itself where it has no other dimension

Value* dropout(Value* x, double rate);
Value* drop_path(Value* x, double rate);  // drops the whole sample's branch

Value* layer_norm(Value* x, Value* weight, Value* bias, double epsilon);
Value* attention(Value* qkv, bool causal, double dropout_rate);  // [b, s, t, n, d] -> [b, s, n, d]

// Number of labels that are not negative, as a scalar of the graph's real type.
Value* label_count(Value* labels);

// Mean over `count` labels of the softmax cross-entropy of logits [.., classes]; labels < 0 do not count.
Value* cross_entropy(Value* logits, Value* labels, Value* count, double smoothing);
// Mean over all elements of the valid rows of (x - y)²; x, y [b, h], labels [b].
Value* mean_squared_error(Value* x, Value* y, Value* labels, Value* count);
// Number of valid rows whose largest logit is the label's.
Value* correct_count(Value* logits, Value* labels);

}  // namespace ctrain
