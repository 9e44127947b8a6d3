// SPDX-License-Identifier: Apache-2.0
#include "base/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <memory>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <set>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/host.h"

namespace saturn {
namespace {

constexpr int kBacklog = 256;
constexpr int kKind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

void set(int socket, int level, int option, int value) {
  (void)::setsockopt(socket, level, option, &value, sizeof value);
}

std::string number_of(const sockaddr* address, socklen_t length) {
  char text[NI_MAXHOST] = {};
  const int error = ::getnameinfo(address, length, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  if (error != 0) return "";
  // An IPv4 address as IPv6 sees it means nothing to a machine without that.
  constexpr std::string_view kMapped = "::ffff:";
  const std::string number = text;
  const bool mapped = number.starts_with(kMapped) && number.find('.') != std::string::npos;
  return mapped ? number.substr(kMapped.size()) : number;
}

/// Until the socket is ready or the limit has passed. Returns 0 or an errno.
int wait_until(int socket, short events, double limit) {
  while (true) {
    const double left = limit - steady_seconds();
    if (left <= 0) return ETIMEDOUT;
    pollfd polled{socket, events, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::min(left * 1e3 + 1, 1e6)));
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

bool listen_on(FileDescriptor& socket, const sockaddr* address, socklen_t length) {
  return socket && ::bind(socket.get(), address, length) == 0 && ::listen(socket.get(), kBacklog) == 0;
}

FileDescriptor connect_one(const addrinfo& where, double limit, std::string& why) {
  FileDescriptor socket(::socket(where.ai_family, kKind, 0));
  int error = 0;
  if (!socket) {
    error = errno;
  } else if (::connect(socket.get(), where.ai_addr, where.ai_addrlen) != 0) {
    error = errno == EINPROGRESS ? wait_until(socket.get(), POLLOUT, limit) : errno;
    socklen_t length = sizeof error;
    if (error == 0) (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  }
  if (error == 0) {
    set(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    return socket;
  }
  why = std::strerror(error);
  return {};
}

}  // namespace

FileDescriptor listen_at_any_port() {
  FileDescriptor socket(::socket(AF_INET6, kKind, 0));
  if (socket) set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  if (listen_on(socket, reinterpret_cast<const sockaddr*>(&any6), sizeof any6)) return socket;
  socket = FileDescriptor(::socket(AF_INET, kKind, 0));  // a machine without IPv6
  sockaddr_in any{};
  any.sin_family = AF_INET;
  if (listen_on(socket, reinterpret_cast<const sockaddr*>(&any), sizeof any)) return socket;
  throw SystemError("listen at", "a TCP port", errno);
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

std::string peer_address(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  return number_of(reinterpret_cast<const sockaddr*>(&address), length);
}

bool names_interface(std::string_view list, std::string_view interface) {
  const bool others = list.starts_with('^');
  if (others) list.remove_prefix(1);
  const bool whole = list.starts_with('=');
  if (whole) list.remove_prefix(1);
  bool listed = false;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    if (!name.empty() && (whole ? interface == name : interface.starts_with(name))) listed = true;
  }
  return listed != others;
}

std::vector<std::string> own_addresses(const std::string& interfaces) {
  std::vector<std::string> names;
  std::set<std::string> others;
  if (interfaces.empty()) names.push_back(host_name());
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return names;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(first, ::freeifaddrs);
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* i = first; i != nullptr; i = i->ifa_next) {
      if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != family) continue;
      if ((i->ifa_flags & IFF_UP) == 0) continue;
      const bool named = !interfaces.empty() && !interfaces.starts_with('^');
      const bool loopback = (i->ifa_flags & IFF_LOOPBACK) != 0;
      const bool listed = interfaces.empty() || names_interface(interfaces, i->ifa_name);
      if (!listed || (loopback && !named)) {
        others.insert(i->ifa_name);
        continue;
      }
      const auto* six = reinterpret_cast<const sockaddr_in6*>(i->ifa_addr);
      // A link's own address says nothing without the name that the other machine has for the link.
      if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr)) continue;
      const std::string number =
          number_of(i->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
      if (!number.empty()) names.push_back(number);
    }
  }
  if (names.empty()) {
    throw SystemError("find", "a network interface for gangs on several nodes",
                      fmt::format("NCCL_SOCKET_IFNAME is '{}', and {} has {}", interfaces, host_name(),
                                  fmt::join(others, ", ")),
                      "name one that every node has");
  }
  return names;
}

FileDescriptor connect_to(const std::string& host, int port, Seconds limit, std::string& why) {
  const double until = steady_seconds() + limit.count();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    why = ::gai_strerror(error);
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (FileDescriptor socket = connect_one(*one, until, why)) return socket;
  }
  return {};
}

FileDescriptor accept_from(int listener) {
  FileDescriptor socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) set(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  return socket;
}

namespace {

/// Calls `move(bytes left)`, which says how many it has moved, until there are none.
template <class Move>
int move_all(int socket, short event, std::size_t bytes, Seconds limit, Move move) {
  const double until = steady_seconds() + limit.count();
  while (bytes > 0) {
    const ssize_t n = move(bytes);
    if (n == 0) return ECONNRESET;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return errno;
    if (n < 0) {
      if (const int error = wait_until(socket, event, until); error != 0) return error;
      continue;
    }
    bytes -= static_cast<std::size_t>(n);
  }
  return 0;
}

}  // namespace

int receive_all(int socket, void* data, std::size_t bytes, Seconds limit) {
  auto* const end = static_cast<char*>(data) + bytes;
  return move_all(socket, POLLIN, bytes, limit,
                  [&](std::size_t left) { return ::recv(socket, end - left, left, 0); });
}

int send_all(int socket, const void* data, std::size_t bytes, Seconds limit) {
  const auto* const end = static_cast<const char*>(data) + bytes;
  return move_all(socket, POLLOUT, bytes, limit,
                  [&](std::size_t left) { return ::send(socket, end - left, left, MSG_NOSIGNAL); });
}

void limit_silence(int socket, Seconds silence, bool unread) {
  const int seconds = std::max(1, static_cast<int>(silence.count() / 4));
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  // Linux counts from when the other's window closed, though every probe is answered.
  set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, unread ? static_cast<int>(silence.count() * 1e3) : 0);
}

}  // namespace saturn
