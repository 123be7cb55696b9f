#include "ops/cpu/cpu_backend.h"

#include <fmt/format.h>

#include <dnnl.hpp>

namespace ctrain {

VectorLevel built_vectors() {
#if defined(__AVX512F__)
  return VectorLevel::avx512;
#elif defined(__AVX2__)
  return VectorLevel::avx2;
#else
  return VectorLevel::sse2;
#endif
}

VectorLevel machine_vectors() {
  if (__builtin_cpu_supports("avx512f")) return VectorLevel::avx512;
  return __builtin_cpu_supports("avx2") ? VectorLevel::avx2 : VectorLevel::sse2;
}

std::string name_of(VectorLevel level) {
  return level == VectorLevel::avx512 ? "AVX-512" : level == VectorLevel::avx2 ? "AVX2" : "SSE2";
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace ctrain
