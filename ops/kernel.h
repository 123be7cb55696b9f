// Kernels: what runs an op on one rank's blocks. A backend is a table of kernels keyed by op and element type.
// A kernel never sees a rank, an axis or a layout. It knows the local extents of its operands and, per dimension, which
// LOGICAL indices it holds: that is all that masks, dropout, vocabularies and padding need.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/graph.h"
#include "ops/op.h"

namespace ctrain {

// The logical indices that a block holds along one dimension, in storage order: at most two runs. Indices at or beyond
// the dimension's extent are padding.
struct Segments {
  struct Run {
    std::int64_t start = 0, length = 0;
  };
  std::array<Run, 2> runs{};
  [[nodiscard]] std::int64_t length() const { return runs[0].length + runs[1].length; }
  [[nodiscard]] std::int64_t logical(std::int64_t local) const {
    return local < runs[0].length ? runs[0].start + local : runs[1].start + local - runs[0].length;
  }
};

// A contiguous local block, slowest dimension first.
struct Operand {
  Names dims;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  // local extents
  [[nodiscard]] std::int64_t elements() const;
  [[nodiscard]] std::int64_t extent(Name name) const { return shape[static_cast<std::size_t>(dims.index(name))]; }
  // Elements between neighbours along `name`; 0 where the operand lacks it, so that it is broadcast along that name.
  [[nodiscard]] std::int64_t stride(Name name) const;
};

// One node as one rank sees it: what a kernel is made from, once, before the first step.
struct LocalNode {
  std::string op;
  std::string name;  // of the node, for people
  Attributes attributes;
  std::vector<Operand> inputs, outputs;
  std::map<Name, Segments> segments;  // per dimension of the operands
  Extents extents;                    // logical extents of the same dimensions
  std::uint64_t seed = 0;
  int overwrites = -1;      // an output may take this operand's memory: the kernel is elementwise in it
  int overwriting = 0;      // the output that may
  bool accumulate = false;  // products only: C += A B instead of C = A B (a panel of SUMMA)
  [[nodiscard]] std::int64_t extent(Name dim) const { return extents.at(dim); }
  [[nodiscard]] const Segments& indices(Name dim) const { return segments.at(dim); }
};

// What changes from step to step. Kernels read it through a pointer, so that a captured graph can be replayed.
struct StepState {
  std::int64_t step = 0;  // optimizer steps done before this one
  double learning_rate = 0;
};

struct Invocation {
  std::span<void*const> inputs, outputs;
  void* workspace = nullptr;
  const StepState* state = nullptr;  // in the device's memory
  void* stream = nullptr;            // the device's native stream

  template <typename T>
  [[nodiscard]] const T* in(std::size_t i) const {
    return static_cast<const T*>(inputs[i]);
  }
  template <typename T>
  [[nodiscard]] T* out(std::size_t i = 0) const {
    return static_cast<T*>(outputs[i]);
  }
};

// A kernel bound to its shapes. Outputs are written whole (or added to, where `accumulate`); they never overlap inputs
// unless the op is declared in_place or the kernel table says that it may run in place.
struct Kernel {
  std::function<void(const Invocation&)> run;
  std::size_t workspace = 0;  // bytes, 256-byte aligned, undefined content
};

using KernelFactory = std::function<Kernel(const LocalNode&)>;

enum class Backend : std::uint8_t {
  reference,  // plain loops, fp64 and fp32: the oracle
  cpu,        // oneDNN and vectorised loops, fp32
  cuda,       // cuBLASLt, cuDNN and kernels of our own; memory is the GPU's
};

// The element type that picks a node's kernel: that of its first real operand, or else of its first output.
[[nodiscard]] DType kernel_type(const LocalNode& node);

struct KernelKey {
  Backend backend;
  std::string op;
  DType dtype;
  auto operator<=>(const KernelKey&) const = default;
};

class KernelTable {
 public:
  static KernelTable& instance();
  void add(Backend backend, const std::string& op, DType dtype, KernelFactory factory);
  [[nodiscard]] const KernelFactory* find(Backend backend, const std::string& op, DType dtype) const;
  // The backend's kernel; on the host the reference kernel of the same element type where it has none of its own.
  [[nodiscard]] Kernel make(Backend backend, const LocalNode& node) const;

 private:
  std::map<KernelKey, KernelFactory> factories_;
};

struct KernelRegistration {
  KernelRegistration(Backend backend, const std::string& op, DType dtype, const KernelFactory& factory) {
    KernelTable::instance().add(backend, op, dtype, factory);
  }
};

}  // namespace ctrain
