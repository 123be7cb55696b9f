// The IDX format of MNIST and its successors (described on the MNIST page of Y. LeCun, C. Cortes and C. Burges): four
// bytes 0, 0, element type, number of dimensions; each extent as a big-endian 32-bit integer; then the elements, last
// index fastest. Only unsigned bytes (type 8) are read. Plain and gzip-compressed files are told apart by their
// content.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace ctrain {

struct IdxFile {
  std::vector<std::int64_t> extents;
  std::vector<std::uint8_t> elements;  // as many as the extents say
};

// Reads a whole file of `dimensions` dimensions. A usage error, which begins with the path, where it cannot be read, is
// of another kind, is empty in some dimension, or holds fewer or more bytes than its header says.
IdxFile read_idx(const std::filesystem::path& path, int dimensions);

}  // namespace ctrain
