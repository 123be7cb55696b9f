// Feeds the configuration reader with mutated text: every input must load, or end in a usage Error; what loads must
// survive being written and loaded again. Not part of the normal build; from the root of the repository:
//
//   clang++-16 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_config.cpp
//   runtime/config/*.cpp \
//     -lyaml-cpp -lfmt -o build/fuzz_config
//   mkdir -p build/fuzz_corpus && build/fuzz_config -max_total_time=120 -timeout=10 build/fuzz_corpus configs
//   configs/colossal
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "memory/error.h"
#include "runtime/config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The first line may be an override.
  std::vector<std::string> overrides;
  if (text.starts_with("--set ")) overrides.emplace_back(text.substr(6, text.substr(6).find('\n')));
  try {
    const ctrain::Configuration loaded = ctrain::load_configuration_text(text, "fuzz.yaml", overrides);
    const ctrain::Configuration again = ctrain::load_configuration_text(ctrain::to_yaml(loaded), "fuzz.yaml");
    if (!(again.root == loaded.root) || !again.warnings.empty()) std::abort();
  } catch (const ctrain::Error& error) {
    if (error.kind() != ctrain::ErrorKind::usage) std::abort();
  }
  return 0;
}
