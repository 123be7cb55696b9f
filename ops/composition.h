// A kernel that runs the kernels of other ops in order: what a fused op means, and what it falls back to where a
// library lacks it.
#pragma once

#include <string>
#include <vector>

#include "ops/kernel.h"

namespace ctrain {

// Operands are numbered: the node's inputs, its outputs, then temporaries.
class Composition {
 public:
  Composition(const LocalNode& node, Backend backend);

  Composition& temporary(const Operand& like);
  // This op on these operands, with the node's attributes, extents and indices.
  Composition& then(const std::string& op, const std::vector<std::size_t>& inputs,
                    const std::vector<std::size_t>& outputs);
  // A product that is added to this operand.
  Composition& then_add(const std::string& op, const std::vector<std::size_t>& inputs, std::size_t output);
  // The parts share one workspace; the temporaries stand behind it.
  [[nodiscard]] Kernel kernel() const;

 private:
  Composition& append(LocalNode node, const std::vector<std::size_t>& inputs, const std::vector<std::size_t>& outputs);

  struct Part {
    Kernel kernel;
    std::vector<std::size_t> inputs, outputs;
  };
  LocalNode node_;
  Backend backend_;
  std::vector<Operand> operands_;
  std::vector<Part> parts_;
};

}  // namespace ctrain
