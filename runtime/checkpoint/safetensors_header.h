// The header of a safetensors file: which tensors it holds, of what type and shape, and where their bytes lie.
// Format: https://huggingface.co/docs/safetensors. A file is 8 bytes (little-endian) with the header's length, the
// header (a JSON object, padded with spaces), and the tensors' bytes in row-major order without gaps:
//   {"__metadata__": {"key": "text"}, "fc.weight": {"dtype": "F32", "shape": [10, 64], "data_offsets": [0, 2560]}}
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ctrain {

// The element types that ctrain keeps in files; not those that it computes with.
enum class StoredType { f32, f64, i32, i64, bf16, f16, u8 };

[[nodiscard]] std::string_view type_name(StoredType type);  // as in the file: "F32"
[[nodiscard]] std::uint64_t item_size(StoredType type);     // bytes of one element

struct StoredTensor {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<std::int64_t> shape;  // empty: a scalar
};

// Bytes of a tensor; a running Error where they do not fit 63 bits or an extent is negative.
[[nodiscard]] std::uint64_t byte_size(const StoredTensor& tensor);

using StoredMetadata = std::map<std::string, std::string>;

struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;   // in the order of their bytes
  std::vector<std::uint64_t> offsets;  // of each tensor's first byte, counted from the end of the header
  StoredMetadata metadata;
};

// The first bytes of a file of these tensors: the header's length and the header, padded to a multiple of 8 bytes.
[[nodiscard]] std::string encode_header(const std::vector<StoredTensor>& tensors, const StoredMetadata& metadata);

// Longer headers are refused, as by the reference implementation.
inline constexpr std::uint64_t longest_header = 100'000'000;  // bytes

// Parses the JSON text of a header whose file has `data_size` bytes after it, and trusts nothing in it: one running
// Error names `file` and the tensor where names repeat, a type is unknown, a size differs from its shape, or bytes
// overlap, are missing or are left over.
[[nodiscard]] SafetensorsHeader decode_header(std::string_view json, std::uint64_t data_size, std::string_view file);

}  // namespace ctrain
