// SPDX-License-Identifier: Apache-2.0
#include "base/gang_address.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sstream>
#include <sys/random.h>

#include "base/error.h"
#include "base/socket.h"

namespace saturn {
namespace {

constexpr size_t kTokenLength = 32;  // hex digits

}  // namespace

GangAddress make_gang_address(int listener) {
  std::array<unsigned char, kTokenLength / 2> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw SystemError("get", "random numbers", errno);
  const char* interfaces = std::getenv("NCCL_SOCKET_IFNAME");
  return {own_addresses(interfaces == nullptr ? "" : interfaces), port_of(listener),
          fmt::format("{:02x}", fmt::join(bytes, ""))};
}

std::string to_text(const GangAddress& address) {
  return fmt::format("{} {} {}", address.port, address.token, fmt::join(address.hosts, " "));
}

std::optional<GangAddress> parse_gang_address(std::string_view text) {
  std::istringstream stream{std::string(text)};
  GangAddress address;
  stream >> address.port >> address.token;
  for (std::string host; stream >> host;) address.hosts.push_back(host);
  const bool token = address.token.size() == kTokenLength &&
                     address.token.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!token || address.port < 1 || address.port > 65535 || address.hosts.empty()) return {};
  return address;
}

}  // namespace saturn
