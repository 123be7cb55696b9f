// The ops of a layer norm (ops/definitions/layer_norm.cpp). H is the logical extent of the last dimension.
#include <algorithm>
#include <cmath>

#include "ops/reference/indexing.h"

namespace ctrain::reference {
namespace {

// The rows of an operand, and what makes their elements normal: x̂ = (x - mean) rstd.
struct NormalRows : Rows {
  NormalRows(const LocalNode& node, double epsilon_) : Rows(node, node.inputs[0]), epsilon(epsilon_) {}

  struct Row {
    double mean, rstd;
  };
  [[nodiscard]] double mean(double sum) const { return sum / static_cast<double>(extent); }
  [[nodiscard]] Row row(double sum, double squares) const {
    return {mean(sum), 1 / std::sqrt(squares / static_cast<double>(extent) + epsilon)};
  }

  double epsilon;
};

NormalRows normal_rows(const LocalNode& node) { return {node, node.attributes.real("epsilon")}; }

template <typename T>
Kernel layer_norm_sum(const LocalNode& node) {
  const Rows rows(node, node.inputs[0]);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width) {
      double total = 0;
      for (std::int64_t j = 0; j < rows.width; ++j) total += rows.valid(j) ? static_cast<double>(x[j]) : 0;
      call.out<Wide<T>>()[row] = static_cast<Wide<T>>(total);
    }
  }};
}

template <typename T>
Kernel layer_norm_squares(const LocalNode& node) {
  const NormalRows rows(node, 0);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    const auto* sum = call.in<Wide<T>>(1);
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width) {
      const double mean = rows.mean(sum[row]);
      double total = 0;
      for (std::int64_t j = 0; j < rows.width; ++j) total += rows.valid(j) ? (x[j] - mean) * (x[j] - mean) : 0;
      call.out<Wide<T>>()[row] = static_cast<Wide<T>>(total);
    }
  }};
}

// x, sum, squares, weight, bias -> y
template <typename T>
Kernel layer_norm(const LocalNode& node) {
  const NormalRows rows = normal_rows(node);
  return {[=](const Invocation& call) {
    const T* x = call.in<T>(0);
    const auto *sum = call.in<Wide<T>>(1), *squares = call.in<Wide<T>>(2);
    const auto *weight = call.in<Wide<T>>(3), *bias = call.in<Wide<T>>(4);
    T* y = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row, x += rows.width, y += rows.width) {
      const auto [mean, rstd] = rows.row(sum[row], squares[row]);
      for (std::int64_t j = 0; j < rows.width; ++j)
        y[j] = rows.valid(j) ? static_cast<T>((x[j] - mean) * rstd * weight[j] + bias[j]) : T{0};
    }
  }};
}

// dy, x, sum, squares, weight -> Σ dy γ, Σ dy γ x̂
template <typename T>
Kernel layer_norm_grad_sums(const LocalNode& node) {
  const NormalRows rows = normal_rows(node);
  return {[=](const Invocation& call) {
    const T *dy = call.in<T>(0), *x = call.in<T>(1);
    const auto *sum = call.in<Wide<T>>(2), *squares = call.in<Wide<T>>(3);
    const auto* weight = call.in<Wide<T>>(4);
    for (std::int64_t row = 0; row < rows.count; ++row, dy += rows.width, x += rows.width) {
      const auto [mean, rstd] = rows.row(sum[row], squares[row]);
      double total = 0, total_normal = 0;
      for (std::int64_t j = 0; j < rows.width; ++j) {
        if (!rows.valid(j)) continue;
        const double scaled = static_cast<double>(dy[j]) * weight[j];
        total += scaled;
        total_normal += scaled * (x[j] - mean) * rstd;
      }
      call.out<Wide<T>>(0)[row] = static_cast<Wide<T>>(total);
      call.out<Wide<T>>(1)[row] = static_cast<Wide<T>>(total_normal);
    }
  }};
}

// dy, x, sum, squares, weight, sums 0, sums 1 -> dx
template <typename T>
Kernel layer_norm_grad_input(const LocalNode& node) {
  const NormalRows rows = normal_rows(node);
  return {[=](const Invocation& call) {
    const T *dy = call.in<T>(0), *x = call.in<T>(1);
    const auto *sum = call.in<Wide<T>>(2), *squares = call.in<Wide<T>>(3);
    const auto *weight = call.in<Wide<T>>(4), *sums0 = call.in<Wide<T>>(5), *sums1 = call.in<Wide<T>>(6);
    T* dx = call.out<T>();
    for (std::int64_t row = 0; row < rows.count; ++row, dy += rows.width, x += rows.width, dx += rows.width) {
      const auto [mean, rstd] = rows.row(sum[row], squares[row]);
      const double mean0 = rows.mean(sums0[row]), mean1 = rows.mean(sums1[row]);
      for (std::int64_t j = 0; j < rows.width; ++j) {
        const double normal = (x[j] - mean) * rstd, scaled = static_cast<double>(dy[j]) * weight[j];
        dx[j] = rows.valid(j) ? static_cast<T>(rstd * (scaled - mean0 - normal * mean1)) : T{0};
      }
    }
  }};
}

// dy, x, sum, squares -> dγ
template <typename T>
Kernel layer_norm_grad_weight(const LocalNode& node) {
  const NormalRows rows = normal_rows(node);
  const auto run = [=](const Invocation& call) {
    const T *dy = call.in<T>(0), *x = call.in<T>(1);
    const auto *sum = call.in<Wide<T>>(2), *squares = call.in<Wide<T>>(3);
    auto* totals = static_cast<double*>(call.workspace);
    std::fill_n(totals, rows.width, 0.0);
    for (std::int64_t row = 0; row < rows.count; ++row, dy += rows.width, x += rows.width) {
      const auto [mean, rstd] = rows.row(sum[row], squares[row]);
      for (std::int64_t j = 0; j < rows.width; ++j) totals[j] += rows.valid(j) ? dy[j] * (x[j] - mean) * rstd : 0;
    }
    for (std::int64_t j = 0; j < rows.width; ++j) call.out<Wide<T>>()[j] = static_cast<Wide<T>>(totals[j]);
  };
  return {run, static_cast<std::size_t>(rows.width) * sizeof(double)};
}

const ReferenceKernel sum("layer_norm_sum", []<typename T>() { return layer_norm_sum<T>; });
const ReferenceKernel squares("layer_norm_squares", []<typename T>() { return layer_norm_squares<T>; });
const ReferenceKernel apply("layer_norm", []<typename T>() { return layer_norm<T>; });
const ReferenceKernel grad_sums("layer_norm_grad_sums", []<typename T>() { return layer_norm_grad_sums<T>; });
const ReferenceKernel grad_input("layer_norm_grad_input", []<typename T>() { return layer_norm_grad_input<T>; });
const ReferenceKernel grad_weight("layer_norm_grad_weight", []<typename T>() { return layer_norm_grad_weight<T>; });

}  // namespace
}  // namespace ctrain::reference
