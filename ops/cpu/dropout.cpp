// dropout (ops/definitions/dropout.cpp). Along the last dimension the logical indices of a block are one or two runs,
// so that masks are drawn many at a time; where the mask does not vary along it (drop path) one factor serves a row.
#include "ops/cpu/rows.h"
#include "ops/cpu/split.h"
#include "ops/cpu/vector_mask.h"
#include "ops/dropout_mask.h"
#include "ops/reference/indexing.h"

namespace ctrain::cpu {
namespace {

void scale_row(const float* x, double factor, float* y, std::int64_t width) {
  const auto scale = static_cast<float>(factor);
  for_vectors(width, [&](std::int64_t j, auto part) { store(y + j, load(x + j, part) * scale, part); });
}

Kernel dropout(const LocalNode& node) {
  const Operand& block = node.inputs[0];
  const double rate = node.attributes.real("rate");
  if (rate == 0 || block.dims.empty()) return reference_kernel(node);
  const Names over(node.attributes.text("over"));
  const Name last = block.dims.back();
  const std::int64_t width = block.shape.back(), rows = width == 0 ? 0 : block.elements() / width;
  const bool same_along_row = !over.contains(last);
  const reference::ElementMap index = reference::logical_index(node, block, over);
  constexpr std::int64_t drawing_cost = 8;
  const Split split(rows, width * drawing_cost);
  return {
      [=, runs = node.indices(last).runs, seed = node.seed, key = node.attributes.text("key")](const Invocation& call) {
        const VectorMask vector_mask(seed, key, call.state->step, rate);
        split.run([&](int, std::int64_t begin, std::int64_t end) {
          DropoutMask mask(seed, key, call.state->step, rate);  // it keeps what it drew last: one for each thread
          for (std::int64_t row = begin; row < end; ++row) {
            const float* x = call.in<float>(0) + row * width;
            float* y = call.out<float>() + row * width;
            if (same_along_row) {
              scale_row(x, mask.factor(index(row, 0)), y, width);
              continue;
            }
            std::int64_t column = 0;
            for (const Segments::Run& run : runs) {
              if (run.length > 0) vector_mask.apply(index(row, column), x + column, y + column, run.length);
              column += run.length;
            }
          }
        });
      }};
}

const KernelRegistration registration(Backend::cpu, "dropout", DType::f32, dropout);

}  // namespace
}  // namespace ctrain::cpu
