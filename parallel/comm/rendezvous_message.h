// What goes over the sockets of a rendezvous. Private to rendezvous*.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ctrain {

struct RendezvousMessage {
  enum class Kind : std::uint8_t {
    hello,    // to the server: key greeting(), value "rank ranks"
    welcome,  // to all, once all are there; value: the address by which the others reach this rank
    set,      // key, value
    get,      // key; answered by `value` once it is set
    find,     // key; answered by `value` at once, "" where nobody has set it
    value,    // with the key of the question
    leave,    // this rank needs the others no more; answered by `left` once all have said so
    left,
    failure  // value: what happened; to the server, and from it to all
  };
  Kind kind;
  std::string key = {}, value = {};
};

// The first words on a connection, so that whatever else knocks at the port is turned away.
inline constexpr const char* rendezvous_greeting = "ctrain rendezvous 1";

std::string encoded(const RendezvousMessage& message);

// Takes one whole message from the front of `bytes`, if it has come. A running Error where they are no such message.
std::optional<RendezvousMessage> take_message(std::string& bytes);

}  // namespace ctrain
