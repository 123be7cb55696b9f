// Any bytes as a safetensors file: it is either refused with one Error or all its tensors can be read. Not part of the
// normal build:
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_safetensors.cpp runtime/file.cpp
//     runtime/checkpoint/safetensors.cpp runtime/checkpoint/safetensors_header.cpp -lfmt -o fuzz_safetensors
//   ./fuzz_safetensors -max_total_time=120 -max_len=4096
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "memory/error.h"
#include "runtime/checkpoint/safetensors.h"

namespace {

void check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// The file's bytes, in memory under a path. Half of the inputs get a fitting header length, without which hardly any
// would come as far as the header's text.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : descriptor_(::memfd_create("fuzz", 0)) {
    std::string text(reinterpret_cast<const char*>(data), size);
    if (size >= 16 && data[7] == 1) {
      std::uint64_t length = text.rfind('}') + 1;  // the header ends with the last brace
      length = length > 8 ? length - 8 : 0;
      for (int byte = 0; byte < 8; ++byte) text[static_cast<std::size_t>(byte)] = static_cast<char>(length >> 8 * byte);
    }
    check(::write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "memfd");
  }
  ~MemoryFile() { ::close(descriptor_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  try {
    const ctrain::SafetensorsFile file(memory.path());
    std::uint64_t total = 0;
    for (const ctrain::StoredTensor& tensor : file.tensors()) {
      total += ctrain::byte_size(tensor);
      check(total <= size, "tensors larger than their file");
      check(file.find(tensor.name) == &tensor, "a tensor that is not found by its name");
      std::vector<std::byte> bytes(ctrain::byte_size(tensor));
      file.read(tensor.name, bytes);
    }
    // What was read can be written, and reads the same.
    const std::string header = ctrain::encode_header(file.tensors(), file.metadata()).substr(8);
    const ctrain::SafetensorsHeader again = ctrain::decode_header(header, total, "again");
    check(again.metadata == file.metadata(), "metadata changed");
    check(again.tensors.size() == file.tensors().size(), "number of tensors changed");
    for (std::size_t i = 0; i < again.tensors.size(); ++i) {
      check(again.tensors[i].type == file.tensors()[i].type, "type changed");
      check(again.tensors[i].shape == file.tensors()[i].shape, "shape changed");
    }
  } catch (const ctrain::Error& error) {
    check(!std::string_view(error.what()).starts_with("internal error: "), error.what());
    for (const char c : std::string(error.what())) check(c >= ' ' && c <= '~', "a message that is not plain text");
  }
  return 0;
}
