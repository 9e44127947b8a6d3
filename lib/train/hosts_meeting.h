// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "train/gang_hosts.h"

namespace saturn {

/// One connection between two ranks of different hosts for each purpose, so that neither waits behind
/// another.
enum class Purpose : std::uint32_t { kMeeting, kCollectives, kMessages, kWatch };

/// Whom a rank has met.
struct Peer {
  std::string name;  ///< "rank 1 (process 17 on n1)"
  FileDescriptor collectives, messages;
  FileDescriptor watch;  ///< between the first ranks of two hosts
};

/// The ranks of a gang meet: all connect to rank 0, which tells each where the others are; then every two of
/// different hosts connect. A connection that does not know the address's token is closed and forgotten.
/// `lost_here` says whom of this host there is no use in waiting for; empty: nobody. Returns a peer for each
/// rank, with connections to those on other hosts. Errors, on every rank that lives: CommunicatorError.
std::vector<Peer> meet_hosts(int rank, const GangHosts& hosts, Seconds timeout, int generation,
                             const std::function<std::string()>& lost_here);

}  // namespace saturn
