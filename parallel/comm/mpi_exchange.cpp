#include "parallel/comm/mpi_exchange.h"

#include <algorithm>
#include <array>
#include <thread>

#include "memory/error.h"

namespace ctrain {
namespace {

// A wait polls and gives its core away in between, since ranks may be more than cores; a long one sleeps a little too.
constexpr double patience = 0.01;  // seconds
constexpr std::chrono::microseconds nap(100);

// MPI adds nothing up, so a type is as good as its size.
MPI_Datatype type_of(DType dtype) {
  switch (size_of(dtype)) {
    case sizeof(std::int16_t):
      return MPI_INT16_T;
    case sizeof(std::int32_t):
      return MPI_INT32_T;
    default:
      return MPI_INT64_T;
  }
}

// The tag tells which call a message belongs to, within the 15 bits that every MPI has: 8 of the number, 3 of the
// collective, 3 of the type, 1 of the reduction.
static_assert(collective_count <= 8);
int tag_of(const CollectiveCall& call, std::int64_t number) {
  return static_cast<int>(number & 0xff) << 7 | static_cast<int>(call.collective) << 4 |
         static_cast<int>(call.in.dtype) << 1 | static_cast<int>(call.reduction);
}

std::string text_of_tag(int tag) {
  return fmt::format("{} of {}{}, number {} modulo 256", name_of(static_cast<Collective>(tag >> 4 & 7)),
                     name_of(static_cast<DType>(tag >> 1 & 7)), (tag & 1) != 0 ? " (max)" : "", tag >> 7);
}

}  // namespace

std::string mpi_error_text(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text = {};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return {text.data(), static_cast<std::size_t>(length)};
}

MpiExchange::MpiExchange(MPI_Comm comm, const Communicator& owner, const WaitPolicy& policy,
                         std::int64_t largest_message)
    : Exchange(owner, policy), comm_(comm), largest_message_(largest_message) {
  reserve(2 * owner.size(), 0);
}

void MpiExchange::reserve(std::int64_t messages, std::int64_t elements) {
  const auto room = static_cast<std::size_t>(messages * (elements / largest_message_ + 1));
  messages_.reserve(room);
  requests_.reserve(room);
  if (indices_.size() < room) indices_.resize(room);
  if (statuses_.size() < room) statuses_.resize(room);
}

void MpiExchange::begin(const CollectiveCall& call) {
  Exchange::begin(call);
  tag_ = tag_of(call, owner_.calls());
}

template <typename AnySpan, typename Start>
void MpiExchange::add(int member, AnySpan span, bool is_receive, Start start) {
  std::int64_t begin = 0;
  do {
    const auto count = static_cast<int>(std::min(largest_message_, span.count - begin));
    messages_.push_back({member, count, is_receive, false});
    requests_.push_back(MPI_REQUEST_NULL);
    check(start(span.part(begin, count).data, count, &requests_.back()));
    begin += count;
  } while (begin < span.count);
}

void MpiExchange::receive(int member, Span span) {
  add(member, span, true, [&](void* data, int count, MPI_Request* request) {
    return MPI_Irecv(data, count, type_of(span.dtype), member, tag_, comm_, request);
  });
}

void MpiExchange::send(int member, ConstSpan span) {
  add(member, span, false, [&](const void* data, int count, MPI_Request* request) {
    return MPI_Isend(data, count, type_of(span.dtype), member, tag_, comm_, request);
  });
}

std::size_t MpiExchange::advance(Seconds waited) {
  const std::size_t done = test();
  if (done > 0) return done;
  std::this_thread::yield();
  if (waited.count() > patience) std::this_thread::sleep_for(nap);
  return 0;
}

std::size_t MpiExchange::test() {
  int done = 0;
  const int code =
      MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &done, indices_.data(), statuses_.data());
  if (code != MPI_ERR_IN_STATUS) check(code);
  for (int i = 0; i < done; ++i) {
    const MPI_Status& status = statuses_[static_cast<std::size_t>(i)];
    Message& message = messages_[static_cast<std::size_t>(indices_[static_cast<std::size_t>(i)])];
    message.is_done = true;
    const int error = code == MPI_ERR_IN_STATUS ? status.MPI_ERROR : MPI_SUCCESS;
    if (error != MPI_ERR_TRUNCATE) check(error);
    if (message.is_receive) check_received(message, status, error);
  }
  return static_cast<std::size_t>(done);
}

void MpiExchange::check_received(const Message& message, const MPI_Status& status, int error) {
  int count = 0;
  MPI_Get_count(&status, type_of(call_.in.dtype), &count);
  if (error == MPI_SUCCESS && count == message.count) return;
  fail_mismatch(message.member, fmt::format("sent {} elements than the {} that were expected",
                                            error == MPI_SUCCESS ? "fewer" : "more", message.count));
}

// Messages of one member arrive in order, so one with another tag, before the one waited for, means another call.
void MpiExchange::look_for_mismatch() {
  for (const Message& message : messages_) {
    if (message.is_done || !message.is_receive) continue;
    int found = 0;
    MPI_Status status;
    check(MPI_Iprobe(message.member, MPI_ANY_TAG, comm_, &found, &status));
    if (found != 0 && status.MPI_TAG != tag_)
      fail_mismatch(message.member, fmt::format("called {}", text_of_tag(status.MPI_TAG)));
  }
}

void MpiExchange::check(int code) {
  if (code != MPI_SUCCESS) fail(mpi_error_text(code));
}

void MpiExchange::forget() {
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    if (messages_[i].is_receive) MPI_Cancel(&requests_[i]);
    MPI_Request_free(&requests_[i]);
  }
  requests_.clear();
}

}  // namespace ctrain
