// sum over leading dimensions ([rows, n] -> [n]: the gradient of a bias) and sum_squares (ops/definitions/sum.cpp).
#include <algorithm>

#include "ops/cpu/list_split.h"
#include "ops/cpu/rows.h"
#include "ops/tensor_list.h"

namespace ctrain::cpu {
namespace {

constexpr std::int64_t block_rows = 32;  // summed in registers before they are added to a thread's total

// totals[j] += Σ_rows x[row, j], `vectors` vectors of columns at a time.
template <int vectors>
void add_rows(const float* x, std::int64_t rows, std::int64_t width, float* totals) {
  Floats sums[vectors]{};
  for (std::int64_t row = 0; row < rows; ++row, x += width)
    for (int v = 0; v < vectors; ++v) sums[v] += load(x + v * lanes);
  for (int v = 0; v < vectors; ++v) store(totals + v * lanes, load(totals + v * lanes) + sums[v]);
}

void add_block(const float* x, std::int64_t rows, std::int64_t width, float* totals) {
  constexpr int most = 8;
  std::int64_t j = 0;
  for (; j + most * lanes <= width; j += most * lanes) add_rows<most>(x + j, rows, width, totals + j);
  for (; j + lanes <= width; j += lanes) add_rows<1>(x + j, rows, width, totals + j);
  for (; j < width; ++j) {
    float sum = 0;
    for (std::int64_t row = 0; row < rows; ++row) sum += x[row * width + j];
    totals[j] += sum;
  }
}

// Each thread adds its rows into its own totals; these are then added in order.
Kernel sum(const LocalNode& node) {
  const std::int64_t width = node.outputs[0].elements();
  if (!is_suffix(node.outputs[0], node.inputs[0]) || width < lanes) return reference_kernel(node);
  const std::int64_t rows = node.inputs[0].elements() / width;
  const Split split(rows, width);
  const auto run = [=](const Invocation& call) {
    auto* partial = static_cast<float*>(call.workspace);
    auto* y = call.out<float>();
    std::fill_n(y, width, 0.0F);
    split.run([&](int part, std::int64_t begin, std::int64_t end) {
      float* totals = part == 0 ? y : std::fill_n(partial + (part - 1) * width, width, 0.0F) - width;
      for (; begin < end; begin += block_rows)
        add_block(call.in<float>(0) + begin * width, std::min(block_rows, end - begin), width, totals);
    });
    for (int part = 1; part < split.parts(); ++part) {
      const float* totals = partial + (part - 1) * width;
      for_vectors(width, [&](std::int64_t j, auto at) { store(y + j, load(y + j, at) + load(totals + j, at), at); });
    }
  };
  return {run, static_cast<std::size_t>(std::max(split.parts() - 1, 0) * width) * sizeof(float)};
}

// In double, by chunks whose sums are then added in order: the result depends on no number of threads.
constexpr std::int64_t chunk = 8192;

double chunk_squares(const float* x, std::int64_t count) {
  Doubles sums[2]{};
  constexpr std::int64_t half = lanes / 2;
  using HalfFloats [[gnu::vector_size(vector_bytes / 2)]] = float;
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int h = 0; h < 2; ++h) {
      HalfFloats part;
      std::memcpy(&part, x + i + h * half, sizeof(part));
      const Doubles wide = __builtin_convertvector(part, Doubles);
      sums[h] += wide * wide;
    }
  const Doubles both = sums[0] + sums[1];
  double total = 0;
  for (std::int64_t lane = 0; lane < half; ++lane) total += both[lane];
  for (; i < count; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

Kernel sum_squares(const LocalNode& node) {
  const TensorList list = operand_tensors(node);
  std::vector<std::int64_t> chunks;
  for (const std::int64_t elements : list.elements) chunks.push_back((elements + chunk - 1) / chunk);
  const ListSplit split(chunks, chunk);
  const auto run = [=](const Invocation& call) {
    auto* totals = static_cast<double*>(call.workspace);
    split.run([&](std::size_t t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        totals[split.begin(t) + i] =
            chunk_squares(call.in<float>(t) + i * chunk, std::min(chunk, list.elements[t] - i * chunk));
    });
    for (std::size_t t = 0; t < list.size(); ++t) {
      double total = 0;
      for (std::int64_t i = split.begin(t); i < split.begin(t + 1); ++i) total += totals[i];
      *call.out<float>(t) = static_cast<float>(total);
    }
  };
  return {run, static_cast<std::size_t>(split.begin(list.size())) * sizeof(double)};
}

const KernelRegistration sum_kernel(Backend::cpu, "sum", DType::f32, sum);
const KernelRegistration sum_squares_kernel(Backend::cpu, "sum_squares", DType::f32, sum_squares);

}  // namespace
}  // namespace ctrain::cpu
