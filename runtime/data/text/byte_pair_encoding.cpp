#include "runtime/data/text/byte_pair_encoding.h"

#include <algorithm>
#include <bit>

namespace ctrain {

MergeTable::MergeTable(const Vocabulary& vocabulary)
    : slots_(std::bit_ceil(2 * vocabulary.merges.size() + 2)), mask_(slots_.size() - 1) {
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    if (token.size() == 1) byte_ids_[static_cast<std::uint8_t>(token.front())] = static_cast<std::int32_t>(id);
  }
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const Merge& merge = vocabulary.merges[rank];
    const std::uint64_t key = key_of(merge.left, merge.right);
    std::size_t i = first_slot(key);
    while (slots_[i].key != empty) i = (i + 1) & mask_;
    slots_[i] = {key, {static_cast<std::int32_t>(rank), merge.result}};
  }
}

void BytePairEncoding::append(std::string_view word, std::vector<std::int32_t>& ids) {
  symbols_.clear();
  heap_.clear();
  const auto length = static_cast<std::int32_t>(word.size());
  for (std::int32_t i = 0; i < length; ++i) {
    const auto byte = static_cast<std::uint8_t>(word[static_cast<std::size_t>(i)]);
    symbols_.push_back({merges_.byte_id(byte), i - 1, i + 1 < length ? i + 1 : -1});
  }
  for (std::int32_t i = 0; i < length; ++i) consider(i, heap_);
  std::make_heap(heap_.begin(), heap_.end());
  while (!heap_.empty()) {
    // All pairs of one rank go before any that these merges make, whatever its rank.
    const std::int32_t rank = heap_.front().rank;
    fresh_.clear();
    while (!heap_.empty() && heap_.front().rank == rank) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Candidate candidate = heap_.back();
      heap_.pop_back();
      if (is_current(candidate)) merge(candidate);
    }
    for (const Candidate& candidate : fresh_) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end());
    }
  }
  for (const Symbol& symbol : symbols_)
    if (symbol.id >= 0) ids.push_back(symbol.id);
}

void BytePairEncoding::consider(std::int32_t at, std::vector<Candidate>& candidates) const {
  if (at < 0) return;
  const Symbol& left = symbols_[static_cast<std::size_t>(at)];
  if (left.next < 0) return;
  const std::int32_t right = symbols_[static_cast<std::size_t>(left.next)].id;
  if (const auto found = merges_.find(left.id, right))
    candidates.push_back({found->rank, at, left.id, right, found->result});
}

// Whether the pair still stands there.
bool BytePairEncoding::is_current(const Candidate& candidate) const {
  const Symbol& left = symbols_[static_cast<std::size_t>(candidate.at)];
  return left.id == candidate.left && left.next >= 0 &&
         symbols_[static_cast<std::size_t>(left.next)].id == candidate.right;
}

void BytePairEncoding::merge(const Candidate& candidate) {
  Symbol& left = symbols_[static_cast<std::size_t>(candidate.at)];
  Symbol& right = symbols_[static_cast<std::size_t>(left.next)];
  left.id = candidate.result;
  left.next = right.next;
  right.id = -1;
  if (left.next >= 0) symbols_[static_cast<std::size_t>(left.next)].previous = candidate.at;
  consider(left.previous, fresh_);
  consider(candidate.at, fresh_);
}

}  // namespace ctrain
