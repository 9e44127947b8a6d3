// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <numeric>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/host.h"
#include "base/socket.h"
#include "train/gang.h"
#include "train/hosts_communicator.h"

namespace saturn {

/// Groups of ranks of this machine that take one another for hosts.
class MadeUpHosts {
 public:
  explicit MadeUpHosts(const std::vector<int>& ranks, const std::string& address = "127.0.0.1")
      : listener_(listen_at_any_port()), rendezvous_(ranks.size()) {
    hosts_.ranks = ranks;
    hosts_.address = make_gang_address(listener_.get());
    hosts_.address.hosts = {address};
  }

  int size() const { return std::accumulate(hosts_.ranks.begin(), hosts_.ranks.end(), 0); }
  GangHosts& hosts() { return hosts_; }

  /// In a process of its own, or a thread.
  std::unique_ptr<Communicator> make(int rank, Seconds timeout, int generation = 0) const {
    const HostLayout layout(hosts_.ranks);
    const int host = layout.host_of(rank);
    GangHosts hosts = hosts_;
    hosts.listener = rank == 0 ? listener_.get() : -1;
    SegmentShape shape = kSmall;
    shape.generation = generation;
    shape.first_rank = layout.first_of(host);
    shape.host = host_name();
    auto segment = std::make_shared<const SharedSegment>(rendezvous_[static_cast<std::size_t>(host)].path(),
                                                         layout.ranks_of(host), shape);
    return std::make_unique<HostsCommunicator>(std::move(segment), rank, hosts, timeout, generation);
  }
  MakeRank maker(Seconds timeout = Seconds(60)) const {
    return [this, timeout](const std::string&, int rank) { return make(rank, timeout); };
  }

 private:
  FileDescriptor listener_;
  std::vector<Rendezvous> rendezvous_;  ///< of each host
  GangHosts hosts_;
};

inline std::vector<std::string> run_on_hosts(const std::vector<int>& ranks, const RankBody& body,
                                             Seconds timeout = Seconds(60)) {
  const MadeUpHosts hosts(ranks);
  return ProcessGang(hosts.size(), body, hosts.maker(timeout)).results();
}

}  // namespace saturn
