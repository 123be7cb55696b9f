// Softmax cross-entropy, mean squared error, counts (ops/definitions/losses.cpp). Padded columns and rows without a
// label are selected around, never multiplied by zero: a padded row's sum of exponents is zero, and 0/0 times 0 is NaN.
#include <algorithm>
#include <cmath>

#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

template <typename T>
Kernel class_max(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width) {
      T largest = -INFINITY;
      for (std::int64_t j = 0; j < rows.width; ++j)
        if (rows.valid(j)) largest = std::max(largest, x[j]);
      call.out<Wide<T>>()[row] = largest;
    }
  }};
}

// x, m -> e
template <typename T>
Kernel class_sum_exp(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    const auto* largest = call.in<Wide<T>>(1);
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width) {
      double total = 0;
      for (std::int64_t j = 0; j < rows.width; ++j)
        if (rows.valid(j)) total += std::exp(static_cast<double>(x[j]) - largest[row]);
      call.out<Wide<T>>()[row] = static_cast<Wide<T>>(total);
    }
  }};
}

// The wanted probability q of each class: (1 - smoothing) of the label's, and the rest spread over all classes.
struct Target {
  explicit Target(const LocalNode& node) : rows(node, node.inputs[0]), smoothing(node.attributes.real("smoothing")) {}
  [[nodiscard]] double probability(std::int64_t column, std::int32_t label) const {
    const bool is_label = rows.logical[static_cast<std::size_t>(column)] == label;
    return (is_label ? 1 - smoothing : 0) + smoothing / static_cast<double>(rows.extent);
  }
  Rows rows;
  double smoothing;
};

// x, labels -> t
template <typename T>
Kernel class_target(const LocalNode& node) {
  return {[target = Target(node)](const Invocation& call) {
    const Rows& rows = target.rows;
    const T* x = call.in<T>(0);
    const auto* labels = call.in<std::int32_t>(1);
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width) {
      double total = 0;
      for (std::int64_t j = 0; labels[row] >= 0 && j < rows.width; ++j)
        if (const double wanted = target.probability(j, labels[row]); rows.valid(j) && wanted != 0)
          total += wanted * x[j];
      call.out<Wide<T>>()[row] = static_cast<Wide<T>>(total);
    }
  }};
}

// m, e, t, labels -> loss of each row
template <typename T>
Kernel class_nll(const LocalNode& node) {
  const std::int64_t count = node.outputs[0].elements();
  return {[=](const Invocation& call) {
    const T *largest = call.in<T>(0), *sum_exp = call.in<T>(1), *target = call.in<T>(2);
    const auto* labels = call.in<std::int32_t>(3);
    for (std::int64_t row = 0; row < count; ++row) {
      const bool valid = labels[row] >= 0;
      call.out<T>()[row] =
          valid ? static_cast<T>(std::log(static_cast<double>(sum_exp[row])) + largest[row] - target[row]) : T{0};
    }
  }};
}

// x, m, e, labels, count -> dx
template <typename T>
Kernel cross_entropy_grad(const LocalNode& node) {
  return {[target = Target(node)](const Invocation& call) {
    const Rows& rows = target.rows;
    const T* x = call.in<T>(0);
    const auto *largest = call.in<Wide<T>>(1), *sum_exp = call.in<Wide<T>>(2);
    const auto* labels = call.in<std::int32_t>(3);
    const double count = *call.in<Wide<T>>(4);
    T* dx = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width, dx += rows.width) {
      std::fill_n(dx, rows.width, T{0});
      for (std::int64_t j = 0; labels[row] >= 0 && j < rows.width; ++j) {
        if (!rows.valid(j)) continue;
        const double probability = std::exp(static_cast<double>(x[j]) - largest[row]) / sum_exp[row];
        dx[j] = static_cast<T>((probability - target.probability(j, labels[row])) / count);
      }
    }
  }};
}

// x, y, labels -> error of each row
template <typename T>
Kernel squared_error(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    const auto* y = call.in<Wide<T>>(1);
    const auto* labels = call.in<std::int32_t>(2);
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width, y += rows.width) {
      double total = 0;
      for (std::int64_t j = 0; labels[row] >= 0 && j < rows.width; ++j) {
        const double difference = rows.valid(j) ? static_cast<double>(x[j]) - y[j] : 0;
        total += difference * difference;
      }
      call.out<Wide<T>>()[row] = static_cast<Wide<T>>(total / static_cast<double>(rows.extent));
    }
  }};
}

// x, y, labels, count -> dx
template <typename T>
Kernel squared_error_grad(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    const auto* y = call.in<Wide<T>>(1);
    const auto* labels = call.in<std::int32_t>(2);
    const double factor = 2 / (static_cast<double>(rows.extent) * *call.in<Wide<T>>(3));
    T* dx = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row)
      for (std::int64_t j = 0; j < rows.width; ++j, ++x, ++y)
        *dx++ = labels[row] >= 0 && rows.valid(j) ? static_cast<T>(factor * (static_cast<double>(*x) - *y)) : T{0};
  }};
}

template <typename T>
Kernel label_count(const LocalNode& node) {
  const std::int64_t elements = node.inputs[0].elements();
  return {[=](const Invocation& call) {
    const auto* labels = call.in<std::int32_t>(0);
    *call.out<T>() = static_cast<T>(std::count_if(labels, labels + elements, [](auto label) { return label >= 0; }));
  }};
}

// x, m -> minus the first class whose logit is the largest
template <typename T>
Kernel class_place(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    const auto* largest = call.in<Wide<T>>(1);
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width) {
      Wide<T> place = -INFINITY;
      for (std::int64_t j = 0; j < rows.width; ++j)
        if (rows.valid(j) && x[j] == largest[row])
          place = std::max(place, -static_cast<Wide<T>>(rows.logical[static_cast<std::size_t>(j)]));
      call.out<Wide<T>>()[row] = place;
    }
  }};
}

// place, labels -> 1 where they are the same class
template <typename T>
Kernel correct(const LocalNode& node) {
  const std::int64_t count = node.outputs[0].elements();
  return {[=](const Invocation& call) {
    const T* place = call.in<T>(0);
    const auto* labels = call.in<std::int32_t>(1);
    for (std::int64_t row = 0; row < count; ++row)
      call.out<T>()[row] = labels[row] >= 0 && -place[row] == static_cast<T>(labels[row]) ? 1 : 0;
  }};
}

const ReferenceKernel max_kernel("class_max", []<typename T>() { return class_max<T>; });
const ReferenceKernel sum_exp_kernel("class_sum_exp", []<typename T>() { return class_sum_exp<T>; });
const ReferenceKernel target_kernel("class_target", []<typename T>() { return class_target<T>; });
const ReferenceKernel nll_kernel("class_nll", []<typename T>() { return class_nll<T>; });
const ReferenceKernel entropy_grad_kernel("cross_entropy_grad", []<typename T>() { return cross_entropy_grad<T>; });
const ReferenceKernel squared_kernel("squared_error", []<typename T>() { return squared_error<T>; });
const ReferenceKernel squared_grad_kernel("squared_error_grad", []<typename T>() { return squared_error_grad<T>; });
const ReferenceKernel count_kernel("label_count", []<typename T>() { return label_count<T>; });
const ReferenceKernel place_kernel("class_place", []<typename T>() { return class_place<T>; });
const ReferenceKernel correct_kernel("correct", []<typename T>() { return correct<T>; });

}  // namespace
}  // namespace ctrain::reference
