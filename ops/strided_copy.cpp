#include "ops/strided_copy.h"

#include <cstring>

#include "memory/error.h"

namespace ctrain {
namespace {

using Loop = StridedCopy::Loop;

// The innermost loop is a memcpy where both sides are contiguous.
template <typename Word>
void copy_loops(const Loop* loop, const Loop* last, const Word* from, Word* to) {
  if (loop == last) {
    if (loop->from_stride == 1 && loop->to_stride == 1) {
      std::memcpy(to, from, static_cast<std::size_t>(loop->count) * sizeof(Word));
    } else {
      for (std::int64_t i = 0; i < loop->count; ++i) to[i * loop->to_stride] = from[i * loop->from_stride];
    }
    return;
  }
  for (std::int64_t i = 0; i < loop->count; ++i)
    copy_loops(loop + 1, last, from + i * loop->from_stride, to + i * loop->to_stride);
}

template <typename Word>
void copy_words(const StridedCopy& copy, const void* from, void* to) {
  copy_loops(copy.loops.data(), copy.loops.data() + copy.loops.size() - 1,
             static_cast<const Word*>(from) + copy.from_offset, static_cast<Word*>(to) + copy.to_offset);
}

void copy_on_host(const StridedCopy& copy, std::size_t element_bytes, const void* from, void* to, void*) {
  if (element_bytes == 8) return copy_words<std::uint64_t>(copy, from, to);
  if (element_bytes == 4) return copy_words<std::uint32_t>(copy, from, to);
  copy_words<std::uint16_t>(copy, from, to);
}

std::map<Backend, StridedCopyFunction>& table() {
  static std::map<Backend, StridedCopyFunction> functions = {{Backend::reference, copy_on_host},
                                                             {Backend::cpu, copy_on_host}};
  return functions;
}

}  // namespace

StridedCopyRegistration::StridedCopyRegistration(Backend backend, StridedCopyFunction function) {
  table()[backend] = function;
}

StridedCopyFunction strided_copy_of(Backend backend) {
  const auto it = table().find(backend);
  require(it != table().end(), "no copies in this backend");
  return it->second;
}

}  // namespace ctrain
