#include "parallel/comm/communicator.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "memory/error.h"

namespace ctrain {
namespace {

bool has_root(Collective collective) { return collective == Collective::broadcast || collective == Collective::reduce; }

// What is wrong with a call as far as one member can tell, or nothing.
std::string_view problem_of(const CollectiveCall& call, int rank, std::int64_t size) {
  const std::int64_t in = call.in.count, out = call.out.count;
  if (call.root < 0 || call.root >= size) return "no such root";
  if (in < 0 || (in > 0 && call.in.data == nullptr)) return "no data to send";
  if (call.collective == Collective::reduce && rank != call.root) return "";
  bool fits = in == out;
  if (call.collective == Collective::all_gather) fits = out == size * in;
  if (call.collective == Collective::reduce_scatter) fits = in == size * out;
  if (call.collective == Collective::all_to_all) fits = in == out && in % size == 0;
  if (!fits) return "the counts do not fit together";
  if (out > 0 && call.out.data == nullptr) return "no room for the result";
  return call.in.dtype == call.out.dtype ? "" : "the types differ";
}

}  // namespace

std::string_view name_of(Collective collective) {
  static constexpr std::array<std::string_view, collective_count> names = {
      "all_gather", "all_reduce", "reduce_scatter", "all_to_all", "broadcast", "reduce", "shift", "barrier"};
  return names.at(static_cast<std::size_t>(collective));
}

std::int64_t bytes_sent(Collective collective, std::int64_t n, bool is_root, std::int64_t local_bytes) {
  switch (collective) {
    case Collective::all_gather:
      return (n - 1) * local_bytes;
    case Collective::all_reduce:
      return 2 * (n - 1) * local_bytes / n;
    case Collective::reduce_scatter:
    case Collective::all_to_all:
      return (n - 1) * local_bytes / n;
    case Collective::broadcast:
      return is_root ? (n - 1) * local_bytes : 0;
    case Collective::reduce:
      return is_root ? 0 : local_bytes;
    case Collective::shift:
      return n > 1 ? local_bytes : 0;
    case Collective::barrier:
      break;
  }
  return 0;
}

std::string text_of(const CollectiveCall& call) {
  std::string text(name_of(call.collective));
  if (call.collective == Collective::barrier) return text;
  text += fmt::format(" of {} {}", call.in.count, name_of(call.in.dtype));
  const bool reduces = call.collective == Collective::all_reduce || call.collective == Collective::reduce_scatter ||
                       call.collective == Collective::reduce;
  if (reduces) text += call.reduction == Reduction::sum ? " (sum)" : " (max)";
  if (has_root(call.collective)) text += fmt::format(" with root {}", call.root);
  return text;
}

Communicator::Communicator(int rank, std::vector<int> ranks, std::string name)
    : rank_(rank), ranks_(std::move(ranks)), name_(std::move(name)) {
  require(rank >= 0 && rank < size(), "'{}': no member {} among {}", name_, rank, size());
}

void Communicator::run(const CollectiveCall& call) {
  if (const std::string_view problem = problem_of(call, rank_, size()); !problem.empty())
    require(false, "{} over {} ranks into {} {}: {}", text_of(call), size(), call.out.count, name_of(call.out.dtype),
            problem);
  count(call);
  execute(call);
}

void Communicator::count(const CollectiveCall& call) {
  ++sequence_;
  sent_[static_cast<std::size_t>(call.collective)] +=
      bytes_sent(call.collective, size(), rank_ == call.root, call.in.bytes());
}

std::vector<int> Communicator::agree_on(const std::vector<int>& members, const std::string& name) {
  const bool ascending = std::adjacent_find(members.begin(), members.end(), std::greater_equal<>()) == members.end();
  require(ascending && std::binary_search(members.begin(), members.end(), rank_) && members.front() >= 0 &&
              members.back() < size(),
          "'{}': [{}] is no group of member {} of {}", name, fmt::join(members, ", "), rank_, size());

  const auto width = static_cast<std::size_t>(size());
  std::vector<std::int32_t> mine(width, -1), lists(width * width);  // a list of positions each, filled up with -1
  std::copy(members.begin(), members.end(), mine.begin());
  const auto count = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
  ++sequence_;
  execute({Collective::all_gather, {mine.data(), count(mine), DType::i32}, {lists.data(), count(lists), DType::i32}});

  std::vector<int> ranks;
  for (const int member : members) {
    require(std::equal(mine.begin(), mine.end(), lists.begin() + static_cast<std::ptrdiff_t>(width) * member),
            "'{}': rank {} and rank {} disagree about the group's members", name, world_rank(),
            ranks_[static_cast<std::size_t>(member)]);
    ranks.push_back(ranks_[static_cast<std::size_t>(member)]);
  }
  return ranks;
}

std::string Communicator::standing_at(const CollectiveCall& call) const {
  return fmt::format("rank {}: {}, number {} over '{}'", world_rank(), text_of(call), sequence_, name_);
}

std::string Communicator::text_of_members(const std::vector<int>& positions) const {
  if (positions.empty()) return "nobody";
  std::vector<int> ranks;
  for (const int position : positions) ranks.push_back(ranks_[static_cast<std::size_t>(position)]);
  return fmt::format("{} {}", ranks.size() == 1 ? "rank" : "ranks", fmt::join(ranks, ", "));
}

}  // namespace ctrain
