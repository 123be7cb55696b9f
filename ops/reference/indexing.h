// How the reference kernels walk over blocks. Everything here is computed when a kernel is made, into tables; running a
// kernel only reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/error.h"
#include "ops/kernel.h"
#include "ops/narrow_floats.h"

namespace ctrain::reference {

// Offsets in `operand` of all index tuples over `dims`, row-major; `shapes` is any operands that know the extents.
std::vector<std::int64_t> offsets(const Operand& operand, const Names& dims, const std::vector<Operand>& shapes);

// Where a logical index stands in a block; -1 where the block does not hold it.
std::int64_t local_index(const Segments& segments, std::int64_t logical);

// A block as rows of its last dimension (a scalar is one row of one column). Columns whose logical index is not below
// the extent are padding: kernels select around them and write zero there.
struct Rows {
  Rows(const LocalNode& node, const Operand& block);
  [[nodiscard]] bool valid(std::int64_t column) const { return logical[static_cast<std::size_t>(column)] < extent; }

  std::int64_t count = 1, width = 1;
  std::int64_t extent = 1;            // logical extent of the last dimension
  std::vector<std::int64_t> logical;  // index of each column
};

// A number for each element of a block that is a sum of one for its row and one for its column.
class ElementMap {
 public:
  ElementMap(const std::vector<std::vector<std::int64_t>>& terms_by_dimension);
  [[nodiscard]] std::int64_t operator()(std::int64_t row, std::int64_t column) const {
    return rows_[static_cast<std::size_t>(row)] + columns_[static_cast<std::size_t>(column)];
  }

 private:
  std::vector<std::int64_t> rows_, columns_;
};

// Where the elements of `block` stand in `operand`, which may lack or permute some of its dimensions.
ElementMap positions(const Operand& block, const Operand& operand);

// Logical flat index over those dimensions of the block that are in `over`: row-major, logical extents.
ElementMap logical_index(const LocalNode& node, const Operand& block, const Names& over);

// Registers the kernels of the reference backend: make.operator()<T>() is the factory for activations of type T, with
// statistics, parameters and losses of type Wide<T>.
struct ReferenceKernel {
  template <typename Make>
  ReferenceKernel(const std::string& op, const Make& make) {
    KernelTable::instance().add(Backend::reference, op, DType::f32, make.template operator()<float>());
    KernelTable::instance().add(Backend::reference, op, DType::f64, make.template operator()<double>());
    KernelTable::instance().add(Backend::reference, op, DType::bf16, make.template operator()<Bfloat16>());
    KernelTable::instance().add(Backend::reference, op, DType::f16, make.template operator()<Float16>());
  }
};

// A sum whose output is of the type of its operands or wider: make.operator()<Out>() with the one that the node has.
template <typename T, typename Make>
Kernel with_output_type(const LocalNode& node, const Make& make) {
  if (node.outputs[0].dtype == kernel_type(node)) return make.template operator()<T>();
  require(node.outputs[0].dtype == dtype_of<Wide<T>>(), "{} of {} as {}", node.op, name_of(kernel_type(node)),
          name_of(node.outputs[0].dtype));
  return make.template operator()<Wide<T>>();
}

}  // namespace ctrain::reference
