// Losses, as sums over the valid rows divided by their global count; a row is valid where its label is not negative
// (padding and ignored tokens are -1).
//
// Softmax cross-entropy over the last dimension c of the logits, which may be split and padded, with label smoothing ε:
//   class_max        m = max_c x                       class_sum_exp   e = Σ_c exp(x - m)
//   class_target     t = Σ_c q_c x_c, q = (1 - ε) onehot(label) + ε / C
//   class_nll        log e + m - t where valid, else 0
//   cross_entropy_grad  (softmax(x) - q) / count where valid, else 0
// Mean squared error over rows of H features:
//   squared_error    Σ_h (x - y)² / H where valid, else 0
//   squared_error_grad  2 (x - y) / (H count) where valid, else 0
// label_count        number of valid rows
// Accuracy, where c may be split as well (a maximum has no place in a sum, so the first place of the maximum is one):
//   class_place     -(first c with x_c = m), -inf where there is none      correct     1 where -place = label, else 0
#include "ops/op.h"

namespace ctrain {
namespace {

std::vector<OutputSpec> rows(const std::vector<Value*>& inputs, const Attributes&) {
  const Names& dims = inputs[0]->dims;
  return {{dims.without(dims.back()), inputs[0]->graph->real()}};
}
std::vector<OutputSpec> like_first(const std::vector<Value*>& inputs, const Attributes&) {
  return {{inputs[0]->dims, inputs[0]->dtype}};
}
std::vector<OutputSpec> infer_count(const std::vector<Value*>& inputs, const Attributes&) {
  return {{Names(), inputs[0]->graph->real()}};
}

const OpRegistration class_max("class_max", {.name = "class_max", .infer = rows, .reduction = Reduction::max});  // x
const OpRegistration class_sum_exp("class_sum_exp", {.name = "class_sum_exp", .infer = rows});                   // x, m
const OpRegistration class_target("class_target", {.name = "class_target", .infer = rows});  // x, labels
const OpRegistration class_nll("class_nll", {.name = "class_nll", .infer = like_first});     // m, e, t, labels
const OpRegistration cross_entropy_grad("cross_entropy_grad",                                // x, m, e, labels, count
                                        {.name = "cross_entropy_grad", .infer = like_first});
const OpRegistration squared_error("squared_error", {.name = "squared_error", .infer = rows});  // x, y, labels
const OpRegistration squared_error_grad("squared_error_grad",                                   // x, y, labels, count
                                        {.name = "squared_error_grad", .infer = like_first});
const OpRegistration label_count("label_count", {.name = "label_count", .infer = infer_count});  // labels
const OpRegistration class_place("class_place", {.name = "class_place", .infer = rows, .reduction = Reduction::max});
const OpRegistration correct("correct", {.name = "correct", .infer = like_first});  // place, labels

}  // namespace
}  // namespace ctrain
