// Feeds the IDX reader with mutated files, plain and compressed: every input must be read whole or end in a usage
// Error. The first byte says how many dimensions are expected. Not part of the normal build; from the root of the
// repository:
//
//   clang++-16 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_idx.cpp \
//     runtime/data/{idx_file,input_stream}.cpp -lz -lfmt -o build/fuzz_idx
//   mkdir -p build/fuzz_idx_corpus && build/fuzz_idx -max_total_time=60 -rss_limit_mb=2048 build/fuzz_idx_corpus
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "memory/error.h"
#include "runtime/data/idx_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const int dimensions = 1 + data[0] % 4;
  const int file = memfd_create("idx", 0);
  if (file < 0 || write(file, data + 1, size - 1) != static_cast<ssize_t>(size - 1)) std::abort();
  try {
    const ctrain::IdxFile idx = ctrain::read_idx("/proc/self/fd/" + std::to_string(file), dimensions);
    std::size_t elements = 1;
    for (const std::int64_t extent : idx.extents) elements *= static_cast<std::size_t>(extent);
    if (std::ssize(idx.extents) != dimensions || idx.elements.size() != elements) std::abort();
  } catch (const ctrain::Error& error) {
    if (error.kind() != ctrain::ErrorKind::usage) std::abort();
  }
  close(file);
  return 0;
}
