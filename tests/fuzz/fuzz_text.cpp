// Feeds the readers of texts and vocabularies with mutated files. The first byte says what they are: plain text, JSON
// lines, or a vocab.json and, behind a byte 0, its merges.txt. Every input must be read, and what is read must decode
// to itself, or end in a usage Error. Not part of the normal build; from the root of the repository:
//
//   clang++-16 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -DPCRE2_CODE_UNIT_WIDTH=8 -I. \
//     tests/fuzz/fuzz_text.cpp runtime/data/text/{byte_alphabet,byte_pair_encoding,pre_tokenizer,text_source}.cpp \
//     runtime/data/text/{tokenizer,utf8,vocabulary}.cpp runtime/data/input_stream.cpp runtime/file.cpp \
//     -lpcre2-8 -lz -lfmt -o build/fuzz_text
//   mkdir -p build/fuzz_text_corpus && build/fuzz_text -max_total_time=60 build/fuzz_text_corpus
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "memory/error.h"
#include "runtime/data/text/text_source.h"
#include "runtime/data/text/tokenizer.h"

namespace {

// Bytes, in memory under a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(memfd_create("fuzz", 0)) {
    if (write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  }
  ~MemoryFile() { close(descriptor_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

const ctrain::Tokenizer& byte_tokenizer() {
  static const ctrain::Tokenizer tokenizer(ctrain::byte_vocabulary());
  return tokenizer;
}

void read_text(std::string_view bytes, ctrain::TextFormat format) {
  const MemoryFile file(bytes);
  ctrain::TextSource source({file.path()}, format);
  std::string storage;
  for (ctrain::TextPiece piece; source.next(piece);) {
    const std::string_view text = piece.text(format, storage);
    if (byte_tokenizer().decode(byte_tokenizer().encode(text)) != text) std::abort();
  }
}

void read_tokenizer(std::string_view bytes) {
  const std::size_t middle = std::min(bytes.find('\0'), bytes.size());
  const MemoryFile vocab(bytes.substr(0, middle)), merges(bytes.substr(std::min(middle + 1, bytes.size())));
  const ctrain::Tokenizer tokenizer(ctrain::read_vocabulary(vocab.path(), merges.path()));
  if (tokenizer.decode(tokenizer.encode(bytes)) != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] % 3 == 2)
      read_tokenizer(bytes);
    else
      read_text(bytes, data[0] % 3 == 0 ? ctrain::TextFormat::plain : ctrain::TextFormat::json_lines);
  } catch (const ctrain::Error& error) {
    if (error.kind() != ctrain::ErrorKind::usage) std::abort();
  }
  return 0;
}
