// The ops of a layer norm (ops/definitions/layer_norm.cpp), and two that do a whole pass at once where h is whole:
//   layer_norm_fused        x, weight, bias [, residual] -> y, sum, squares [, x + residual]
//   layer_norm_grad_fused   dy, x, sum, squares, weight [, residual's gradient] -> dx, dweight, dbias
// each in one pass over memory: the sweeps over a row find it in the level-1 cache.
#include <algorithm>

#include "ops/cpu/normal_rows.h"
#include "ops/cpu/split.h"

namespace ctrain::cpu {
namespace {

// Makes a kernel of make(rows, split) where x, input `x_index`, is rows with their padding at the end.
template <typename Make>
KernelFactory on_rows(std::size_t x_index, const Make& make) {
  return [=](const LocalNode& node) {
    const std::optional<Rows> rows = rows_of(node, node.inputs[x_index]);
    if (!rows) return reference_kernel(node);
    const auto& attributes = node.attributes.items();
    const double epsilon = attributes.contains("epsilon") ? node.attributes.real("epsilon") : 0;
    return make(NormalRows(*rows, epsilon), Split(rows->count, rows->width));
  };
}

// A kernel that runs body(call, row, offset of the row) on every row.
template <typename Body>
Kernel each_row(const NormalRows& rows, const Split& split, const Body& body) {
  return {[=](const Invocation& call) {
    split.run([&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) body(call, row, row * rows.width);
    });
  }};
}

Kernel sum(const NormalRows& rows, const Split& split) {
  return each_row(rows, split, [=](const Invocation& call, std::int64_t row, std::int64_t at) {
    call.out<float>()[row] = rows.sum(call.in<float>(0) + at);
  });
}

Kernel squares(const NormalRows& rows, const Split& split) {
  return each_row(rows, split, [=](const Invocation& call, std::int64_t row, std::int64_t at) {
    call.out<float>()[row] = rows.squares(call.in<float>(0) + at, call.in<float>(1)[row]);
  });
}

// x, sum, squares, weight, bias -> y
Kernel apply(const NormalRows& rows, const Split& split) {
  return each_row(rows, split, [=](const Invocation& call, std::int64_t row, std::int64_t at) {
    const RowMoments moments = rows.moments(call.in<float>(1)[row], call.in<float>(2)[row]);
    rows.apply(call.in<float>(0) + at, moments, call.in<float>(3), call.in<float>(4), call.out<float>() + at);
  });
}

Kernel fused(const NormalRows& rows, const Split& split) {
  return each_row(rows, split, [=](const Invocation& call, std::int64_t row, std::int64_t at) {
    const bool adds = call.inputs.size() == 4;
    const float* x = (adds ? call.out<float>(3) : call.in<float>(0)) + at;
    const float row_sum =
        adds ? rows.add_and_sum(call.in<float>(0) + at, call.in<float>(3) + at, call.out<float>(3) + at) : rows.sum(x);
    const float row_squares = rows.squares(x, row_sum);
    rows.apply(x, rows.moments(row_sum, row_squares), call.in<float>(1), call.in<float>(2), call.out<float>(0) + at);
    call.out<float>(1)[row] = row_sum;
    call.out<float>(2)[row] = row_squares;
  });
}

// The gradients' first operands are all dy, x, sum, squares.
RowMoments gradient_moments(const NormalRows& rows, const Invocation& call, std::int64_t row) {
  return rows.moments(call.in<float>(2)[row], call.in<float>(3)[row]);
}

// dy, x, sum, squares, weight -> Σ dy γ, Σ dy γ x̂
Kernel grad_sums(const NormalRows& rows, const Split& split) {
  return each_row(rows, split, [=](const Invocation& call, std::int64_t row, std::int64_t at) {
    const RowGradientSums sums = rows.gradient_sums(call.in<float>(0) + at, call.in<float>(1) + at,
                                                    gradient_moments(rows, call, row), call.in<float>(4));
    call.out<float>(0)[row] = sums.scaled;
    call.out<float>(1)[row] = sums.scaled_normal;
  });
}

// dy, x, sum, squares, weight, sums 0, sums 1 -> dx
Kernel grad_input(const NormalRows& rows, const Split& split) {
  return each_row(rows, split, [=](const Invocation& call, std::int64_t row, std::int64_t at) {
    rows.gradient(call.in<float>(0) + at, call.in<float>(1) + at, gradient_moments(rows, call, row), call.in<float>(4),
                  {call.in<float>(5)[row], call.in<float>(6)[row]}, call.out<float>() + at);
  });
}

// A kernel whose threads run body(call, row, offset, totals) on their rows, `count` totals of a row's width each, which
// are then added in order of the threads and stored as the outputs from `first` on.
template <typename Body>
Kernel each_row_with_totals(const NormalRows& rows, const Split& split, std::size_t first, std::int64_t count,
                            const Body& body) {
  const std::int64_t size = round_up(count * rows.width, lanes);
  const auto run = [=](const Invocation& call) {
    auto* totals = static_cast<float*>(call.workspace);
    split.run([&](int part, std::int64_t begin, std::int64_t end) {
      float* own = std::fill_n(totals + part * size, size, 0.0F) - size;
      for (std::int64_t row = begin; row < end; ++row) body(call, row, row * rows.width, own);
    });
    for (std::int64_t i = 0; i < count * rows.width; ++i) {
      float total = 0;
      for (int part = 0; part < split.parts(); ++part) total += totals[part * size + i];
      call.out<float>(first + static_cast<std::size_t>(i / rows.width))[i % rows.width] = total;
    }
  };
  return {run, static_cast<std::size_t>(split.parts() * size) * sizeof(float)};
}

// dy, x, sum, squares -> dγ
Kernel grad_weight(const NormalRows& rows, const Split& split) {
  return each_row_with_totals(rows, split, 0, 1,
                              [=](const Invocation& call, std::int64_t row, std::int64_t at, float* totals) {
                                rows.add_weight_gradient(call.in<float>(0) + at, call.in<float>(1) + at,
                                                         gradient_moments(rows, call, row), totals);
                              });
}

Kernel grad_fused(const NormalRows& rows, const Split& split) {
  return each_row_with_totals(
      rows, split, 1, 2, [=](const Invocation& call, std::int64_t row, std::int64_t at, float* totals) {
        const float *dy = call.in<float>(0) + at, *x = call.in<float>(1) + at, *weight = call.in<float>(4);
        const RowMoments moments = gradient_moments(rows, call, row);
        rows.add_weight_gradient(dy, x, moments, totals);
        rows.add_bias_gradient(dy, totals + rows.width);
        rows.gradient(dy, x, moments, weight, rows.gradient_sums(dy, x, moments, weight), call.out<float>(0) + at,
                      call.inputs.size() == 6 ? call.in<float>(5) + at : nullptr);
      });
}

struct LayerNormKernel {
  LayerNormKernel(const std::string& op, std::size_t x_index, Kernel (*make)(const NormalRows&, const Split&)) {
    KernelTable::instance().add(Backend::cpu, op, DType::f32, on_rows(x_index, make));
  }
};

const LayerNormKernel sum_kernel("layer_norm_sum", 0, sum);
const LayerNormKernel squares_kernel("layer_norm_squares", 0, squares);
const LayerNormKernel apply_kernel("layer_norm", 0, apply);
const LayerNormKernel fused_kernel("layer_norm_fused", 0, fused);
const LayerNormKernel grad_sums_kernel("layer_norm_grad_sums", 1, grad_sums);
const LayerNormKernel grad_input_kernel("layer_norm_grad_input", 1, grad_input);
const LayerNormKernel grad_weight_kernel("layer_norm_grad_weight", 1, grad_weight);
const LayerNormKernel grad_fused_kernel("layer_norm_grad_fused", 1, grad_fused);

}  // namespace
}  // namespace ctrain::cpu
