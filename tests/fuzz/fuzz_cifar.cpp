// Feeds the CIFAR-10 reader with mutated files: every input must open, with labels in range and all images readable, or
// end in a usage Error. Not part of the normal build; from the root of the repository:
//
//   clang++-16 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_cifar.cpp \
//     runtime/data/{arguments,cifar10_dataset,dataset,dataset_files}.cpp runtime/config/{setting,scalar}.cpp \
//     -lfmt -o build/fuzz_cifar
//   mkdir -p build/fuzz_cifar_corpus && head -c 9219 /dev/zero > build/fuzz_cifar_corpus/three_records
//   build/fuzz_cifar -max_total_time=60 -max_len=20000 build/fuzz_cifar_corpus
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "memory/error.h"
#include "runtime/data/dataset.h"

namespace {

// A folder for the one file of this process.
const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    std::string name = (std::filesystem::temp_directory_path() / "fuzz_cifar_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    return std::filesystem::path(name);
  }();
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::ofstream(folder() / "test_batch.bin", std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const ctrain::Setting setting = ctrain::Setting::of({{"type", ctrain::Setting::of("CIFAR10Dataset")},
                                                       {"root", ctrain::Setting::of(folder().string())},
                                                       {"train", ctrain::Setting::of(false)}});
  try {
    const auto dataset = ctrain::open_dataset(setting, "test_data.dataset");
    if (dataset->size() * 3073 != static_cast<std::int64_t>(size)) std::abort();
    ctrain::Image image;
    for (std::int64_t i = 0; i < dataset->size(); ++i) {
      dataset->read_image(i, image);
      if (dataset->label(i) < 0 || dataset->label(i) > 9 || image.pixels.size() != 3072) std::abort();
    }
  } catch (const ctrain::Error& error) {
    if (error.kind() != ctrain::ErrorKind::usage) std::abort();
  }
  return 0;
}
