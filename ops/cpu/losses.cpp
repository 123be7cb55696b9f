// The ops of a softmax cross-entropy that go over all classes of a row (ops/definitions/losses.cpp): with a vocabulary
// they are long passes. What is done once per row is left to the reference kernels, or to cross_entropy_fused
// (ops/reference/fused.cpp), which goes over a row again while it is in the cache.
#include <algorithm>
#include <cmath>

#include "ops/cpu/functions.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/split.h"
#include "ops/reference/indexing.h"

namespace ctrain::cpu {
namespace {

struct ClassRows : Rows {
  ClassRows(const Rows& rows, const LocalNode& node) : Rows(rows), held(node.indices(node.inputs[0].dims.back())) {
    if (node.attributes.items().contains("smoothing")) {
      const double smoothing = node.attributes.real("smoothing");
      of_label = static_cast<float>(1 - smoothing);
      of_each = static_cast<float>(smoothing / static_cast<double>(extent));
    }
  }

  // Column of a label; -1 where this block does not hold it.
  [[nodiscard]] std::int64_t column(std::int32_t label) const { return reference::local_index(held, label); }

  [[nodiscard]] float largest(const float* x) const {
    Floats result = broadcast(-INFINITY);
    for_vectors(valid,
                [&](std::int64_t j, auto part) { result = larger(keep(load(x + j, part), part, -INFINITY), result); });
    return max_of_lanes(result);
  }

  Segments held;
  float of_label = 1, of_each = 0;  // probability wanted of the label's class beyond that wanted of each class
};

const float* logits(const ClassRows& rows, const Invocation& call, std::int64_t row) {
  return call.in<float>(0) + row * rows.width;
}

float class_max(const ClassRows& rows, const Invocation& call, std::int64_t row) {
  return rows.largest(logits(rows, call, row));
}

float sum_exp(const ClassRows& rows, const float* x, float largest) {
  Floats total{};
  for_vectors(rows.valid, [&](std::int64_t j, auto part) { total += keep(exp(load(x + j, part) - largest), part); });
  return add_lanes(total);
}

// x, m -> e
float class_sum_exp(const ClassRows& rows, const Invocation& call, std::int64_t row) {
  return sum_exp(rows, logits(rows, call, row), call.in<float>(1)[row]);
}

// x, labels -> t
float class_target(const ClassRows& rows, const Invocation& call, std::int64_t row) {
  const float* x = logits(rows, call, row);
  const std::int32_t label = call.in<std::int32_t>(1)[row];
  if (label < 0) return 0;
  const std::int64_t column = rows.column(label);
  const float target = column < 0 ? 0 : rows.of_label * x[column];
  if (rows.of_each == 0) return target;
  Floats total{};
  for_vectors(rows.valid, [&](std::int64_t j, auto part) { total += load(x + j, part); });
  return target + rows.of_each * add_lanes(total);
}

// The first class whose logit is the largest; -1 where there is none.
std::int64_t first_of_largest(const ClassRows& rows, const float* x, float largest) {
  const float *end = x + rows.valid, *first = std::find(x, end, largest);
  return first == end ? -1 : rows.held.logical(first - x);
}

// x, m -> minus that class
float class_place(const ClassRows& rows, const Invocation& call, std::int64_t row) {
  const std::int64_t first = first_of_largest(rows, logits(rows, call, row), call.in<float>(1)[row]);
  return first < 0 ? -INFINITY : -static_cast<float>(first);
}

template <float (*function)(const ClassRows&, const Invocation&, std::int64_t)>
Kernel per_row(const LocalNode& node) {
  const std::optional<Rows> shape = rows_of(node, node.inputs[0]);
  if (!shape) return reference_kernel(node);
  const ClassRows rows(*shape, node);
  return {[rows, split = Split(rows.count, rows.width)](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) call.out<float>()[row] = function(rows, call, row);
    });
  }};
}

// x, labels -> nll, m, e (, correct)
void row_loss(const ClassRows& rows, const Invocation& call, std::int64_t row) {
  const float *x = logits(rows, call, row), largest = rows.largest(x), total = sum_exp(rows, x, largest);
  const std::int32_t label = call.in<std::int32_t>(1)[row];
  call.out<float>(0)[row] = label < 0 ? 0 : std::log(total) + largest - class_target(rows, call, row);
  call.out<float>(1)[row] = largest;
  call.out<float>(2)[row] = total;
  if (call.outputs.size() > 3)
    call.out<float>(3)[row] = label >= 0 && first_of_largest(rows, x, largest) == label ? 1 : 0;
}

Kernel cross_entropy(const LocalNode& node) {
  const std::optional<Rows> shape = rows_of(node, node.inputs[0]);
  if (!shape) return reference_kernel(node);
  return {[rows = ClassRows(*shape, node), split = Split(shape->count, shape->width)](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) row_loss(rows, call, row);
    });
  }};
}

// x, m, e, labels, count -> dx
void row_gradient(const ClassRows& rows, const Invocation& call, std::int64_t row) {
  const float* x = logits(rows, call, row);
  float* dx = call.out<float>() + row * rows.width;
  const std::int32_t label = call.in<std::int32_t>(3)[row];
  if (label < 0) {
    std::fill_n(dx, rows.width, 0.0F);
    return;
  }
  const float largest = call.in<float>(1)[row], inverse = 1 / call.in<float>(2)[row], scale = 1 / *call.in<float>(4);
  for_vectors(rows.valid, [&](std::int64_t j, auto part) {
    store(dx + j, (exp(load(x + j, part) - largest) * inverse - rows.of_each) * scale, part);
  });
  std::fill(dx + rows.valid, dx + rows.width, 0.0F);
  const std::int64_t column = rows.column(label);
  if (column >= 0) dx[column] -= rows.of_label * scale;
}

Kernel cross_entropy_grad(const LocalNode& node) {
  const std::optional<Rows> shape = rows_of(node, node.inputs[0]);
  if (!shape) return reference_kernel(node);
  const ClassRows rows(*shape, node);
  return {[rows, split = Split(rows.count, rows.width)](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) row_gradient(rows, call, row);
    });
  }};
}

const KernelRegistration max_kernel(Backend::cpu, "class_max", DType::f32, per_row<class_max>);
const KernelRegistration sum_exp_kernel(Backend::cpu, "class_sum_exp", DType::f32, per_row<class_sum_exp>);
const KernelRegistration target_kernel(Backend::cpu, "class_target", DType::f32, per_row<class_target>);
const KernelRegistration place_kernel(Backend::cpu, "class_place", DType::f32, per_row<class_place>);
const KernelRegistration loss_kernel(Backend::cpu, "cross_entropy_fused", DType::f32, cross_entropy);
const KernelRegistration gradient_kernel(Backend::cpu, "cross_entropy_grad", DType::f32, cross_entropy_grad);

}  // namespace
}  // namespace ctrain::cpu
