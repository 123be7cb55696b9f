// Copies along nested loops with strides (ops/strided_copy.h).
#include "ops/cuda/launch.h"
#include "ops/strided_copy.h"

namespace ctrain::cuda {
namespace {

constexpr int most_loops = 6, threads = 256;

struct Loops {
  int count = 0;
  std::int64_t counts[most_loops], from_strides[most_loops], to_strides[most_loops];
};

template <typename Word>
__global__ void copy_words(Loops loops, std::int64_t elements, const Word* from, Word* to) {
  const std::int64_t index = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (index >= elements) return;
  std::int64_t rest = index, source = 0, target = 0;
  for (int i = loops.count - 1; i >= 0; --i) {
    const std::int64_t at = rest % loops.counts[i];
    rest /= loops.counts[i];
    source += at * loops.from_strides[i];
    target += at * loops.to_strides[i];
  }
  to[target] = from[source];
}

template <typename Word>
void enqueue(const StridedCopy& copy, const void* from, void* to, cudaStream_t stream) {
  Loops loops;
  std::int64_t elements = 1;
  for (const StridedCopy::Loop& loop : copy.loops) {
    require(loops.count < most_loops, "a copy of more than {} nested loops", most_loops);
    loops.counts[loops.count] = loop.count;
    loops.from_strides[loops.count] = loop.from_stride;
    loops.to_strides[loops.count++] = loop.to_stride;
    elements *= loop.count;
  }
  if (elements == 0) return;
  launch("strided_copy", copy_words<Word>, blocks_for(elements, threads), threads, 0, stream, loops, elements,
         static_cast<const Word*>(from) + copy.from_offset, static_cast<Word*>(to) + copy.to_offset);
}

void copy_on_device(const StridedCopy& copy, std::size_t element_bytes, const void* from, void* to, void* stream) {
  auto* native = static_cast<cudaStream_t>(stream);
  if (element_bytes == 8) return enqueue<std::uint64_t>(copy, from, to, native);
  if (element_bytes == 4) return enqueue<std::uint32_t>(copy, from, to, native);
  enqueue<std::uint16_t>(copy, from, to, native);
}

const StridedCopyRegistration registration(Backend::cuda, copy_on_device);

}  // namespace
}  // namespace ctrain::cuda
