// Byte-pair encoding of one word: its bytes are tokens at first; then, again and again, the adjacent pair whose merge
// has the lowest rank is merged, wherever it stands, until no pair has a merge.
// R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/data/text/vocabulary.h"

namespace ctrain {

// The merges of a vocabulary, found by their pair. Any number of threads may look at it at once.
class MergeTable {
 public:
  struct Found {
    std::int32_t rank = 0, result = 0;
  };

  explicit MergeTable(const Vocabulary& vocabulary);

  [[nodiscard]] std::int32_t byte_id(std::uint8_t byte) const { return byte_ids_[byte]; }
  [[nodiscard]] std::optional<Found> find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t i = first_slot(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].found;
      if (slots_[i].key == empty) return std::nullopt;
    }
  }

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = empty;
    Found found;
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  [[nodiscard]] std::size_t first_slot(std::uint64_t key) const {
    return static_cast<std::size_t>(key * 0x9E3779B97F4A7C15U >> 32) & mask_;
  }

  std::array<std::int32_t, 256> byte_ids_{};
  std::vector<Slot> slots_;  // open addressing, at most half full
  std::size_t mask_ = 0;
};

// The state of one thread; after its first words it allocates nothing.
class BytePairEncoding {
 public:
  explicit BytePairEncoding(const MergeTable& merges) : merges_(merges) {}

  // Appends the ids of a word. A word of n bytes takes O(n log n).
  void append(std::string_view word, std::vector<std::int32_t>& ids);

 private:
  struct Symbol {
    std::int32_t id, previous, next;  // neighbours by index; -1: none. An id of -1: merged into the one before
  };
  struct Candidate {
    std::int32_t rank, at, left, right, result;
    // For a heap whose top is the lowest rank, and of those the first place.
    friend bool operator<(const Candidate& a, const Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    }
  };
  void consider(std::int32_t at, std::vector<Candidate>& candidates) const;
  [[nodiscard]] bool is_current(const Candidate& candidate) const;
  void merge(const Candidate& candidate);

  const MergeTable& merges_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_, fresh_;
};

}  // namespace ctrain
