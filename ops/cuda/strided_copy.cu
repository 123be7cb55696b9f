// Copies along nested loops with strides (ops/strided_copy.h), in words as wide as the copy's pieces allow.
#include "ops/cuda/positions.h"
#include "ops/strided_copy.h"

namespace ctrain::cuda {
namespace {

constexpr int most_loops = 6, threads = 256;

struct Loops {
  int count = 0;
  std::int64_t counts[most_loops], from_strides[most_loops], to_strides[most_loops];
  std::int64_t from_offset, to_offset;
};

template <typename Word>
__global__ void __launch_bounds__(threads) copy_words(Loops loops, std::int64_t words, const Word* from, Word* to) {
  const std::int64_t index = std::int64_t{blockIdx.x} * threads + threadIdx.x;
  if (index >= words) return;
  std::int64_t rest = index, source = 0, target = 0;
  for (int i = loops.count - 1; i >= 0; --i) {
    const std::int64_t outer = divide(rest, loops.counts[i]), at = rest - outer * loops.counts[i];
    source += at * loops.from_strides[i];
    target += at * loops.to_strides[i];
    rest = outer;
  }
  to[target] = from[source];
}

Loops loops_of(const StridedCopy& copy) {
  require(copy.loops.size() <= most_loops, "a copy of more than {} nested loops", most_loops);
  Loops loops;
  for (const StridedCopy::Loop& loop : copy.loops) {
    loops.counts[loops.count] = loop.count;
    loops.from_strides[loops.count] = loop.from_stride;
    loops.to_strides[loops.count++] = loop.to_stride;
  }
  loops.from_offset = copy.from_offset;
  loops.to_offset = copy.to_offset;
  return loops;
}

// Makes pairs of elements the elements, where the copy moves whole pairs.
bool pair_up(Loops& loops) {
  const int inner = loops.count - 1;
  if (loops.from_strides[inner] != 1 || loops.to_strides[inner] != 1 || loops.counts[inner] % 2 != 0) return false;
  if (loops.from_offset % 2 != 0 || loops.to_offset % 2 != 0) return false;
  for (int i = 0; i < inner; ++i)
    if (loops.from_strides[i] % 2 != 0 || loops.to_strides[i] % 2 != 0) return false;
  for (int i = 0; i < inner; ++i) {
    loops.from_strides[i] /= 2;
    loops.to_strides[i] /= 2;
  }
  loops.counts[inner] /= 2;
  loops.from_offset /= 2;
  loops.to_offset /= 2;
  return true;
}

template <typename Word>
void enqueue(const Loops& loops, const void* from, void* to, cudaStream_t stream) {
  std::int64_t words = 1;
  for (int i = 0; i < loops.count; ++i) words *= loops.counts[i];
  if (words == 0) return;
  launch("strided_copy", copy_words<Word>, blocks_for(words, threads), threads, 0, stream, loops, words,
         static_cast<const Word*>(from) + loops.from_offset, static_cast<Word*>(to) + loops.to_offset);
}

void copy_on_device(const StridedCopy& copy, std::size_t element_bytes, const void* from, void* to, void* stream) {
  Loops loops = loops_of(copy);
  std::size_t bytes = element_bytes;
  const auto both = reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to);
  while (bytes < sizeof(uint4) && both % (2 * bytes) == 0 && pair_up(loops)) bytes *= 2;
  auto* native = static_cast<cudaStream_t>(stream);
  if (bytes == 16) return enqueue<uint4>(loops, from, to, native);
  if (bytes == 8) return enqueue<std::uint64_t>(loops, from, to, native);
  if (bytes == 4) return enqueue<std::uint32_t>(loops, from, to, native);
  enqueue<std::uint16_t>(loops, from, to, native);
}

const StridedCopyRegistration registration(Backend::cuda, copy_on_device);

}  // namespace
}  // namespace ctrain::cuda
