// Feeds the reader of .py configurations with mutated text: every input must load, or end in a usage Error; what loads
// must survive being written as YAML and loaded again. Not part of the normal build; from the root of the repository:
//
//   clang++-16 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_python.cpp
//   runtime/config/*.cpp \
//     -lyaml-cpp -lfmt -o build/fuzz_python
//   mkdir -p build/fuzz_corpus && build/fuzz_python -max_total_time=120 -timeout=10 build/fuzz_corpus configs/colossal
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "memory/error.h"
#include "runtime/config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The first line may be an override, or ask for the recipe.
  std::vector<std::string> overrides;
  if (text.starts_with("# --set ")) overrides.emplace_back(text.substr(8, text.substr(8).find('\n')));
  const std::string recipe = text.starts_with("# --recipe") ? "vit_cifar10" : "";
  try {
    const ctrain::Configuration loaded =
        ctrain::load_configuration_text(text, "fuzz.py", overrides, std::nullopt, recipe);
    const ctrain::Configuration again = ctrain::load_configuration_text(ctrain::to_yaml(loaded), "fuzz.yaml");
    if (!(again.root == loaded.root) || !again.warnings.empty()) std::abort();
  } catch (const ctrain::Error& error) {
    if (error.kind() != ctrain::ErrorKind::usage) std::abort();
  }
  return 0;
}
