#include "runtime/data/idx_file.h"

#include <algorithm>
#include <array>
#include <span>

#include "memory/error.h"
#include "runtime/data/input_stream.h"

namespace ctrain {
namespace {

constexpr std::size_t block_bytes = std::size_t{4} << 20;
constexpr std::int64_t most_elements = std::int64_t{1} << 40;  // far above any IDX file: such a header is damaged

std::int64_t big_endian(const std::uint8_t* bytes) {
  return std::int64_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

}  // namespace

IdxFile read_idx(const std::filesystem::path& path, int dimensions) {
  InputStream stream(path);
  const std::string name = path.string();
  std::array<std::uint8_t, 4 * 5> header{};
  require(dimensions >= 1 && dimensions <= 4, "IDX files of {} dimensions are not read", dimensions);
  const std::size_t header_bytes = 4 + 4 * static_cast<std::size_t>(dimensions);
  const std::size_t found = stream.read(std::as_writable_bytes(std::span(header).first(header_bytes)));
  if (found < header_bytes) {
    throw usage_error("{}: truncated: expected a header of {} bytes, found {}", name, header_bytes, found);
  }
  const std::int64_t magic = big_endian(header.data()), expected_magic = 0x800 + dimensions;
  if (magic != expected_magic) {
    throw usage_error(
        "{}: expected the magic number 0x{:08x} of an IDX file of unsigned bytes in {} dimension{}, found 0x{:08x}",
        name, expected_magic, dimensions, dimensions == 1 ? "" : "s", magic);
  }

  IdxFile result;
  std::int64_t elements = 1;
  for (int i = 0; i < dimensions; ++i) {
    const std::int64_t extent = big_endian(header.data() + 4 + 4 * i);
    if (extent == 0) throw usage_error("{}: dimension {} is empty", name, i);
    if (elements > most_elements / extent)
      throw usage_error("{}: dimension {} of {} is impossibly large", name, i, extent);
    elements *= extent;
    result.extents.push_back(extent);
  }

  // Read in blocks, so that a damaged header cannot ask for more memory than the file has content; one byte more than
  // expected shows whether anything follows.
  const auto expected = static_cast<std::size_t>(elements);
  std::size_t filled = 0;
  while (filled <= expected) {
    const std::size_t block = std::min(block_bytes, expected + 1 - filled);
    result.elements.resize(filled + block);
    const std::size_t count = stream.read(std::as_writable_bytes(std::span(result.elements).subspan(filled, block)));
    filled += count;
    if (count < block) break;
  }
  if (filled != expected || stream.is_cut()) {
    throw usage_error("{}: {}: expected {} bytes, found {}{}", name, filled > expected ? "too long" : "truncated",
                      header_bytes + expected, filled > expected ? "more" : fmt::format("{}", header_bytes + filled),
                      stream.is_cut() ? " (the compressed stream ends early)" : "");
  }
  result.elements.resize(expected);
  return result;
}

}  // namespace ctrain
