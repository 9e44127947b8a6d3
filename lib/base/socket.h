// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/units.h"

namespace saturn {

/// A TCP socket that listens on every address of this machine, IPv6 and IPv4, at a port that the system
/// chooses. Close-on-exec, non-blocking. Errors: SystemError.
FileDescriptor listen_at_any_port();
/// The port of a socket; 0 when it has none.
int port_of(int socket);
/// The other end's address as a number; empty when it is gone.
std::string peer_address(int socket);

/// Whether a list of network interfaces, written as NCCL_SOCKET_IFNAME is, names this one: the beginnings of
/// names with commas between them ("ib,eth"), whole names after '=' ("=ib0"), all others after '^'. Pure.
bool names_interface(std::string_view list, std::string_view interface);

/// By what names others may reach this machine, best first: its own, then the numbers of its interfaces. With
/// `interfaces` (as NCCL_SOCKET_IFNAME; empty: any) only the numbers of those. Errors: SystemError (it has
/// none of these).
std::vector<std::string> own_addresses(const std::string& interfaces);

/// A connection to `host` (a name or a number), non-blocking, close-on-exec and without Nagle's delay. On
/// failure, or after `limit`, none, and `why` says why.
FileDescriptor connect_to(const std::string& host, int port, Seconds limit, std::string& why);
/// What `listener` has been asked for; none: nothing at the moment. As `connect_to` leaves it.
FileDescriptor accept_from(int listener);

/// All `bytes`, waiting for them until `limit` has passed. Returns 0 or an errno; ECONNRESET at the other's
/// end.
[[nodiscard]] int receive_all(int socket, void* data, std::size_t bytes, Seconds limit);
[[nodiscard]] int send_all(int socket, const void* data, std::size_t bytes, Seconds limit);

/// The other machine is taken for gone (ETIMEDOUT) when it has not answered for about `silence`. `unread`:
/// also when it answers that there is no room, because nobody there reads what was sent. Without that, a
/// machine that goes while there is something to send is noticed much later.
void limit_silence(int socket, Seconds silence, bool unread);

}  // namespace saturn
