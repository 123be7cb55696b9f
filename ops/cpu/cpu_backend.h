// What the kernels of backend cpu are made of in this build.
#pragma once

#include <string>

namespace ctrain {

enum class VectorLevel { sse2, avx2, avx512 };

[[nodiscard]] VectorLevel built_vectors();    // what our kernels were compiled for
[[nodiscard]] VectorLevel machine_vectors();  // the best that this processor has
[[nodiscard]] std::string name_of(VectorLevel level);

[[nodiscard]] std::string onednn_version();  // "2.7.3": of the library that this program runs with

}  // namespace ctrain
