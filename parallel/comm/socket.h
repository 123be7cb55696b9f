// TCP over plain POSIX sockets, as far as the rendezvous needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ctrain {

// Owns a file descriptor; empty where there is none.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket();
  [[nodiscard]] int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// Waits for connections to `port` (0: any free one) on every address of this host. A running Error where that is taken.
Socket listen_at(int port);
Socket accept_from(const Socket& listener);  // empty where nobody is waiting
int port_of(const Socket& socket);

// One attempt; empty, with the reason in `why`, where nobody answers within `patience` seconds.
Socket connect_to(const std::string& host, int port, double patience, std::string& why);

// Addresses in numbers, without the port: of this end and of the other.
std::string local_address(const Socket& socket);
std::string peer_address(const Socket& socket);
bool is_loopback(const std::string& address);

void end_both_ways(const Socket& socket);                     // who waits at either end sees that it is over
bool send_all(const Socket& socket, std::string_view bytes);  // false where the other end is gone
// What has come, after waiting for up to `milliseconds` (-1: for ever); false where the other end is gone.
bool receive_some(const Socket& socket, int milliseconds, std::string& bytes);

}  // namespace ctrain
