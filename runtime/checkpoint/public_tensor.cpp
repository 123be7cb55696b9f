#include "runtime/checkpoint/public_tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "parallel/block_runs.h"

namespace ctrain {
namespace {

// The parameter whose public form a parameter or state has.
const PublicForm& form_of(const Block& block) {
  return block.value->like != nullptr ? block.value->like->form : block.value->form;
}

// copy(element of the part, element of the whole), both counted from the start.
template <typename Copy>
void visit_elements(const Program& program, int rank, const Block& block, const Copy& copy) {
  visit_runs(program, rank, block, form_of(block).order, [&](const BlockRun& run) {
    for (std::int64_t i = 0; i < run.length; ++i) copy(run.local + i, run.logical + i * run.stride);
  });
}

template <typename T>
void to_whole(const Program& program, int rank, const Block& block, const T* part, T* whole) {
  visit_elements(program, rank, block,
                 [=](std::int64_t inside, std::int64_t outside) { whole[outside] = part[inside]; });
}

template <typename T>
void from_whole(const Program& program, int rank, const Block& block, const T* whole, T* part) {
  visit_elements(program, rank, block,
                 [=](std::int64_t inside, std::int64_t outside) { part[inside] = whole[outside]; });
}

}  // namespace

StoredTensor public_tensor(const Block& block) {
  const StoredType type = block.operand.dtype == DType::f64 ? StoredType::f64 : StoredType::f32;
  return {block.value->name, type, form_of(block).shape};
}

std::string text_of(const StoredTensor& tensor) {
  return fmt::format("{} [{}]", type_name(tensor.type), fmt::join(tensor.shape, ", "));
}

void to_whole(const Program& program, int rank, const Block& block, const std::byte* part, std::byte* whole) {
  if (block.operand.dtype == DType::f64) {
    to_whole(program, rank, block, reinterpret_cast<const double*>(part), reinterpret_cast<double*>(whole));
  } else {
    to_whole(program, rank, block, reinterpret_cast<const float*>(part), reinterpret_cast<float*>(whole));
  }
}

void from_whole(const Program& program, int rank, const Block& block, const std::byte* whole, std::byte* part) {
  if (block.operand.dtype == DType::f64) {
    from_whole(program, rank, block, reinterpret_cast<const double*>(whole), reinterpret_cast<double*>(part));
  } else {
    from_whole(program, rank, block, reinterpret_cast<const float*>(whole), reinterpret_cast<float*>(part));
  }
}

}  // namespace ctrain
