#include "parallel/comm/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "memory/error.h"

namespace ctrain {
namespace {

constexpr int longest_queue = 1024;  // of connections that wait to be accepted

int set(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value);
}

// Of `family`, on every address; empty with errno where it cannot be.
Socket listen_with(int family, int port) {
  // Not blocking, for a connection that has gone again before it is accepted.
  Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return {};
  sockaddr_storage address = {};
  socklen_t length = sizeof(sockaddr_in);
  if (family == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof v6;
    set(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
  }
  set(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, 1);
  const bool is_bound = bind(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), length) == 0;
  if (!is_bound || listen(socket.descriptor(), longest_queue) != 0) return {};
  return socket;
}

std::string numeric(const sockaddr_storage& address, socklen_t length) {
  std::array<char, NI_MAXHOST> host = {};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host.data(), host.size(), nullptr, 0,
                  NI_NUMERICHOST) != 0)
    return "";
  std::string text = host.data();
  constexpr std::string_view mapped = "::ffff:";  // IPv4 through a socket of both families
  return text.starts_with(mapped) ? text.substr(mapped.size()) : text;
}

// Connects without blocking for longer than `patience`; 0 or what errno would say.
int connect_within(const Socket& socket, const addrinfo& address, double patience) {
  if (connect(socket.descriptor(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd state = {socket.descriptor(), POLLOUT, 0};
  if (poll(&state, 1, static_cast<int>(patience * 1000)) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) close(descriptor_);
}

Socket listen_at(int port) {
  Socket socket = listen_with(AF_INET6, port);
  if (!socket && errno != EADDRINUSE) socket = listen_with(AF_INET, port);  // a host without IPv6
  if (!socket) throw running_error("cannot listen at port {}: {}", port, std::strerror(errno));
  return socket;
}

Socket accept_from(const Socket& listener) {
  Socket socket(accept4(listener.descriptor(), nullptr, nullptr, SOCK_CLOEXEC));
  if (socket) {
    set(socket.descriptor(), IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket.descriptor(), SOL_SOCKET, SO_KEEPALIVE, 1);
    const timeval longest_send = {1, 0};  // a client that does not read must not hold up the others
    setsockopt(socket.descriptor(), SOL_SOCKET, SO_SNDTIMEO, &longest_send, sizeof longest_send);
  }
  return socket;
}

int port_of(const Socket& socket) {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

Socket connect_to(const std::string& host, int port, double patience, std::string& why) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
    why = gai_strerror(code);
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    Socket socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int error = socket ? connect_within(socket, *address, patience) : errno;
    if (error != 0) {
      why = std::strerror(error);
      continue;
    }
    const int flags = fcntl(socket.descriptor(), F_GETFL);
    fcntl(socket.descriptor(), F_SETFL, flags & ~O_NONBLOCK);
    set(socket.descriptor(), IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket.descriptor(), SOL_SOCKET, SO_KEEPALIVE, 1);
    return socket;
  }
  return {};
}

std::string local_address(const Socket& socket) {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  return getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &length) == 0
             ? numeric(address, length)
             : "";
}

std::string peer_address(const Socket& socket) {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  return getpeername(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &length) == 0
             ? numeric(address, length)
             : "";
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

void end_both_ways(const Socket& socket) { shutdown(socket.descriptor(), SHUT_RDWR); }

bool send_all(const Socket& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool receive_some(const Socket& socket, int milliseconds, std::string& bytes) {
  pollfd state = {socket.descriptor(), POLLIN, 0};
  if (poll(&state, 1, milliseconds) <= 0) return true;  // a signal, or nothing yet
  std::array<char, 4096> buffer;
  const ssize_t got = recv(socket.descriptor(), buffer.data(), buffer.size(), 0);
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) return false;
  bytes.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

}  // namespace ctrain
