#include "runtime/checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "memory/error.h"

namespace ctrain {

namespace {

using Json = nlohmann::json;

struct TypeEntry {
  StoredType type;
  std::string_view name;
  std::uint64_t item_size;
};

constexpr std::array<TypeEntry, 7> types{{{StoredType::f32, "F32", 4},
                                          {StoredType::f64, "F64", 8},
                                          {StoredType::i32, "I32", 4},
                                          {StoredType::i64, "I64", 8},
                                          {StoredType::bf16, "BF16", 2},
                                          {StoredType::f16, "F16", 2},
                                          {StoredType::u8, "U8", 1}}};

const TypeEntry& entry_of(StoredType type) {
  return *std::find_if(types.begin(), types.end(), [&](const TypeEntry& entry) { return entry.type == type; });
}

constexpr std::string_view metadata_key = "__metadata__";

// Bytes of a tensor, or nothing where a hostile shape overflows.
std::optional<std::uint64_t> checked_byte_size(const StoredTensor& tensor) {
  auto size = static_cast<std::int64_t>(item_size(tensor.type));
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || __builtin_mul_overflow(size, extent, &size)) return std::nullopt;
  }
  return static_cast<std::uint64_t>(size);
}

// A string out of a file, safe to print: quoted, control characters escaped, cut where it is very long.
std::string printable(const std::string& text) {
  constexpr std::size_t longest = 120;
  const std::string quoted = Json(text).dump(-1, ' ', true);
  return quoted.size() <= longest ? quoted : quoted.substr(0, longest) + "...\"";
}

// One header being read: carries the file's name into every message.
class Decoder {
 public:
  explicit Decoder(std::string_view file) : file_(file) {}

  // The JSON text as a tree; names that repeat are an error (they would silently hide a tensor).
  [[nodiscard]] Json parse(std::string_view text) const {
    constexpr int deepest = 3;                     // a number in a shape; bounds what a hostile file can make us hold
    std::vector<std::set<std::string>> open_keys;  // of every object that is being read
    const auto check = [&](int depth, Json::parse_event_t event, const Json& value) {
      if (depth > deepest) fail("its header is nested too deeply");
      if (event == Json::parse_event_t::object_start) open_keys.emplace_back();
      if (event == Json::parse_event_t::object_end) open_keys.pop_back();
      if (event == Json::parse_event_t::key && !open_keys.back().insert(value.get<std::string>()).second) {
        fail(fmt::format("the name {} occurs twice in its header", printable(value.get<std::string>())));
      }
      return true;
    };
    try {
      return Json::parse(text, check);
    } catch (const Json::exception& error) {
      fail(fmt::format("its header is not valid JSON (byte {})", parse_position(error)));
    }
  }

  [[nodiscard]] StoredMetadata metadata(const Json& value) const {
    if (!value.is_object()) fail("its __metadata__ is not a JSON object");
    StoredMetadata result;
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail(fmt::format("the value of {} in its __metadata__ is not text", printable(key)));
      result.emplace(key, text.get<std::string>());
    }
    return result;
  }

  // The tensor and the range [first, last) of its bytes.
  struct Range {
    StoredTensor tensor;
    std::uint64_t first, last;
  };
  [[nodiscard]] Range tensor(const std::string& name, const Json& value) const {
    if (!value.is_object()) fail(name, "is not described by a JSON object");
    for (const auto& [key, unused] : value.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets")
        fail(name, "has the unknown key " + printable(key));
    }
    Range range{{name, type(name, value), {}}, 0, 0};
    for (const std::uint64_t extent : numbers(name, value, "shape")) {
      range.tensor.shape.push_back(static_cast<std::int64_t>(extent));  // beyond 63 bits: negative, refused below
    }
    const auto offsets = numbers(name, value, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1]) fail(name, "has data_offsets other than [first, last]");
    range.first = offsets[0];
    range.last = offsets[1];
    const auto size = checked_byte_size(range.tensor);
    if (!size) fail(name, "has a shape that is larger than any file");
    if (*size != range.last - range.first) {
      fail(name, fmt::format("has shape [{}] of {}, which is {} bytes, but {} in the file",
                             fmt::join(range.tensor.shape, ", "), type_name(range.tensor.type), *size,
                             range.last - range.first));
    }
    return range;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw running_error("{}: not a usable safetensors file: {}", file_, what);
  }
  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    fail(fmt::format("tensor {} {}", printable(tensor), what));
  }

 private:
  [[nodiscard]] StoredType type(const std::string& name, const Json& value) const {
    const auto it = value.find("dtype");
    if (it == value.end() || !it->is_string()) fail(name, "has no dtype");
    const auto& text = it->get_ref<const std::string&>();
    const auto found = std::find_if(types.begin(), types.end(), [&](const TypeEntry& t) { return t.name == text; });
    if (found == types.end()) fail(name, fmt::format("has dtype {}, which is not supported", printable(text)));
    return found->type;
  }

  [[nodiscard]] std::vector<std::uint64_t> numbers(const std::string& name, const Json& value, const char* key) const {
    const auto it = value.find(key);
    if (it == value.end() || !it->is_array()) fail(name, fmt::format("has no {}", key));
    std::vector<std::uint64_t> result;
    for (const Json& item : *it) {
      if (!item.is_number_unsigned()) fail(name, fmt::format("has a {} with other items than whole numbers", key));
      result.push_back(item.get<std::uint64_t>());
    }
    return result;
  }

  static std::size_t parse_position(const Json::exception& error) {
    const auto* parse_error = dynamic_cast<const Json::parse_error*>(&error);
    return parse_error == nullptr ? 0 : parse_error->byte;
  }

  std::string_view file_;
};

}  // namespace

std::string_view type_name(StoredType type) { return entry_of(type).name; }
std::uint64_t item_size(StoredType type) { return entry_of(type).item_size; }

std::uint64_t byte_size(const StoredTensor& tensor) {
  const auto size = checked_byte_size(tensor);
  if (!size) throw running_error("tensor {}: no such shape: [{}]", tensor.name, fmt::join(tensor.shape, ", "));
  return *size;
}

std::string encode_header(const std::vector<StoredTensor>& tensors, const StoredMetadata& metadata) {
  static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::uint64_t offset = 0;
  std::set<std::string_view> names{metadata_key};
  for (const StoredTensor& tensor : tensors) {
    require(names.insert(tensor.name).second, "tensor '{}' cannot be stored twice", tensor.name);
    const std::uint64_t end = offset + byte_size(tensor);
    header[tensor.name] = {{"dtype", type_name(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::string result(sizeof length, '\0');
  std::memcpy(result.data(), &length, sizeof length);
  return result + text;
}

SafetensorsHeader decode_header(std::string_view json, std::uint64_t data_size, std::string_view file) {
  const Decoder decoder(file);
  const Json root = decoder.parse(json);
  if (!root.is_object()) decoder.fail("its header is not a JSON object");
  SafetensorsHeader header;
  std::vector<Decoder::Range> ranges;
  for (const auto& [name, value] : root.items()) {
    if (name == metadata_key) {
      header.metadata = decoder.metadata(value);
    } else {
      ranges.push_back(decoder.tensor(name, value));
    }
  }
  // Without gaps or overlaps: each tensor begins where the one before it ends.
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return std::pair(a.first, a.last) < std::pair(b.first, b.last); });
  std::uint64_t end = 0;
  for (Decoder::Range& range : ranges) {
    if (range.first != end) {
      decoder.fail(range.tensor.name, fmt::format("begins at byte {}, where byte {} was expected", range.first, end));
    }
    if (range.last > data_size) {
      decoder.fail(range.tensor.name,
                   fmt::format("ends at byte {}, but the file holds {} bytes of tensors", range.last, data_size));
    }
    end = range.last;
    header.offsets.push_back(range.first);
    header.tensors.push_back(std::move(range.tensor));
  }
  if (end != data_size) decoder.fail(fmt::format("{} bytes follow its last tensor", data_size - end));
  return header;
}

}  // namespace ctrain
