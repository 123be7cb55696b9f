#include "parallel/comm/rendezvous_message.h"

#include <array>
#include <cstring>

#include "memory/error.h"

namespace ctrain {
namespace {

// Kind, length of the key, length of the value; every host of a job has the same byte order.
constexpr std::size_t header_bytes = 9;
constexpr std::uint32_t longest = 1 << 24;

}  // namespace

std::string encoded(const RendezvousMessage& message) {
  const std::array lengths = {static_cast<std::uint32_t>(message.key.size()),
                              static_cast<std::uint32_t>(message.value.size())};
  std::string bytes(header_bytes, static_cast<char>(message.kind));
  std::memcpy(bytes.data() + 1, lengths.data(), sizeof lengths);
  return bytes + message.key + message.value;
}

std::optional<RendezvousMessage> take_message(std::string& bytes) {
  using Kind = RendezvousMessage::Kind;
  if (bytes.size() < header_bytes) return std::nullopt;
  std::array<std::uint32_t, 2> lengths;
  std::memcpy(lengths.data(), bytes.data() + 1, sizeof lengths);
  const auto [key, value] = lengths;
  const auto kind = static_cast<Kind>(bytes.front());
  if (kind > Kind::failure || key > longest || value > longest) throw running_error("not a message of a rendezvous");
  if (bytes.size() < header_bytes + key + value) return std::nullopt;
  RendezvousMessage message = {kind, bytes.substr(header_bytes, key), bytes.substr(header_bytes + key, value)};
  bytes.erase(0, header_bytes + key + value);
  return message;
}

}  // namespace ctrain
