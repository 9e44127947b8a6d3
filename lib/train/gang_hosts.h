// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/gang_address.h"
#include "train/communicator.h"

namespace saturn {

/// The hosts of a gang and how its ranks meet.
struct GangHosts {
  std::vector<int> ranks;  ///< on each host, at least one: ranks 0, 1, ... on the first, then the second's
  GangAddress address;     ///< where rank 0 listens
  int listener = -1;       ///< rank 0's: that socket; it stays the caller's, for later generations
  Seconds silence{20};     ///< a host that has not answered for about so long is taken for gone
  std::string software;    ///< what this rank computes with: ranks of other software are no gang
};

/// Which ranks are where.
class HostLayout {
 public:
  explicit HostLayout(const std::vector<int>& ranks);

  int hosts() const { return static_cast<int>(firsts_.size()) - 1; }
  int size() const { return firsts_.back(); }
  int first_of(int host) const { return firsts_[static_cast<std::size_t>(host)]; }
  int ranks_of(int host) const { return first_of(host + 1) - first_of(host); }
  int host_of(int rank) const;
  bool leads(int rank) const { return rank == first_of(host_of(rank)); }
  /// The rank of `host` that stands for `rank` there.
  int partner(int rank, int host) const;
  /// Ranks that every host has.
  int lanes() const;

 private:
  std::vector<int> firsts_;  ///< of every host; then how many there are
};

/// Shared memory between the ranks of one host, TCP between hosts. `rendezvous` is of this host's ranks, as
/// for make_shared_memory_communicator; results have the bits that it gives for as many ranks of one host,
/// however they lie on the hosts. No wait is longer than `timeout`. A process that died, a connection that is
/// closed and an abort are noticed on all hosts at once or within some 20 ms of waiting; a link that falls
/// silent after `hosts.silence`. Several generations may follow one another on one address, as on one
/// rendezvous. Errors: CommunicatorError, SystemError.
std::unique_ptr<Communicator> make_hosts_communicator(const std::filesystem::path& rendezvous, int rank,
                                                      const GangHosts& hosts, Seconds timeout,
                                                      int generation = 0);

}  // namespace saturn
