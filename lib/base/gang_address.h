// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saturn {

/// In the environment of the ranks of a gang on several nodes: a GangAddress as text. Not among the
/// arguments, which everybody on a machine can see.
inline constexpr const char* kGangAddressVariable = "SATURN_GANG_ADDRESS";

/// In its place where all of the nodes are on one machine: the ranks meet in its memory.
inline constexpr const char* kAllHere = "here";

/// Where rank 0 of a gang on several nodes listens for the others.
struct GangAddress {
  std::vector<std::string> hosts;  ///< names and numbers of its machine, to be tried in this order
  int port = 0;
  std::string token;  ///< who does not know it does not belong to the gang

  bool operator==(const GangAddress&) const = default;
};

/// Of a socket that listens on this machine, with a new token, at the interfaces that NCCL_SOCKET_IFNAME
/// names, as NCCL's own connections are. Errors: SystemError (no random numbers, no such interface).
GangAddress make_gang_address(int listener);

/// One line without its end. Pure.
std::string to_text(const GangAddress& address);
/// Empty: it is none. Pure.
std::optional<GangAddress> parse_gang_address(std::string_view text);

}  // namespace saturn
