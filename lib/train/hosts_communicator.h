// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/gang_hosts.h"
#include "train/host_link.h"
#include "train/hosts_meeting.h"
#include "train/hosts_watch.h"
#include "train/shared_communicator.h"

namespace saturn {

/// A gang on several hosts. A collective is cut into pieces, which go through it one behind the other.
///
/// A reduction goes from host to host in the order of ranks: each adds its ranks' elements to what comes from
/// the host before, so that the sum is the one of the ranks in their order, and the last host sends the
/// result back the same way. Between two hosts that is as little as any way needs; between many it is at
/// most 1.5 times as much as a ring, whose sums begin somewhere else for every piece. Every local rank below
/// `lanes` brings every lanes-th piece, over a connection of its own. Within a host pieces pass through
/// places in shared memory, as many as lie between two pieces that use the same one: three counters of a rank
/// (contributed, published, finished) say how far it is.
class HostsCommunicator final : public Communicator {
 public:
  /// Meets the other hosts' ranks, then this host's. Errors: CommunicatorError, SystemError.
  HostsCommunicator(std::shared_ptr<const SharedSegment> segment, int rank, const GangHosts& hosts,
                    Seconds timeout, int generation);
  ~HostsCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return layout_.size(); }

  void all_reduce(Buffer buffer, Reduction reduction) override;
  void all_gather(Buffer input, Buffer output) override;
  void reduce_scatter(Buffer input, Buffer output) override;
  void broadcast(Buffer buffer, int root) override;
  void send(Buffer buffer, int to) override;
  void receive(Buffer buffer, int from) override;
  void exchange(Buffer sent, Buffer received, int peer) override;
  void barrier() override;

  void abort(const std::string& reason) override;
  std::string aborted() const override { return segment_->abort_reason(); }

 private:
  struct Remote {
    std::string name;  ///< "rank 1 (process 17 on n1)"
    std::optional<Link> collectives, messages;
  };

  // What every call is made of (hosts_communicator.cpp).
  void begin(const Call& call);
  void end(std::size_t pieces);
  Remote& remote(int rank) { return remotes_[static_cast<std::size_t>(rank)]; }
  int here(int rank) const { return rank - layout_.first_of(host_); }  ///< its number on this host
  bool is_here(int rank) const { return layout_.host_of(rank) == host_; }
  bool alone() const { return segment_->size() == 1; }
  std::uint64_t queue(int to, std::size_t piece, const void* data, std::size_t bytes);
  void receive_piece(int from, std::size_t piece, void* data, std::size_t bytes);
  void wait_sent(int to, std::uint64_t ticket);
  void flush();

  void receive_frame(Link& link, int from, const Frame& expected);
  void check_frame(const Frame& is, int from, const Frame& expected);
  void receive_bytes(Link& link, int from, void* data, std::size_t bytes);
  void wait_for_link(const Link* reading, int peer, double since);
  void push();
  void check_alive(int peer, double since);
  void check_peer(int peer, const char* what) const;
  void wait_at(Gate& gate, std::uint32_t target, int local);
  [[noreturn]] void lose(int peer, const LinkLost& loss);
  [[noreturn]] void lose(int peer, const std::string& why);
  [[noreturn]] void die(const std::string& reason);

  // Pieces (hosts_collectives.cpp).
  /// One piece of a reduction on this rank.
  struct Piece {
    const std::byte* in = nullptr;
    std::byte* out = nullptr;  ///< null: the result is somebody else's
    std::size_t count = 0;
    int wanted_by = -1;  ///< -1: all ranks
  };
  class Reducer;
  /// One piece that a rank of this host brings the others; `at`: where it comes to lie here.
  struct Shared {
    int bringer = 0;  ///< its number on this host
    std::byte* at = nullptr;
    std::size_t bytes = 0;
  };
  void share(std::size_t pieces, const std::function<Shared(std::size_t)>& piece,
             const std::function<void(std::size_t)>& bring);

  std::size_t place_bytes() const { return segment_->slot_bytes() / (kPlaces / 2); }
  std::byte* place(int local, std::size_t piece) const {
    return segment_->slot(local, 0) + (first_piece_ + piece) % kPlaces * place_bytes();
  }
  std::uint32_t count_of(std::size_t pieces) const {
    return first_piece_ + static_cast<std::uint32_t>(pieces);
  }
  void wait_for_all(Gate RankRecord::*gate, std::size_t pieces);

  /// Places of a rank, each for one piece.
  static constexpr std::size_t kPlaces = 8;

  std::shared_ptr<const SharedSegment> segment_;
  HostLayout layout_;
  int rank_, host_;
  Seconds timeout_;
  std::vector<Remote> remotes_;  ///< by rank; without links for those of this host
  std::vector<Link*> links_;     ///< all
  std::unique_ptr<SharedCommunicator> local_;
  std::unique_ptr<HostsWatch> watch_;  ///< on the first rank of a host
  Call call_;                          ///< under way
  std::uint32_t sequence_ = 0;         ///< collectives so far
  std::uint32_t first_piece_ = 0;      ///< pieces before this collective
  std::vector<std::byte> scratch_;
};

/// What the ranks of this rank's host share. As make_hosts_communicator.
std::shared_ptr<const SharedSegment> segment_of_host(const std::filesystem::path& rendezvous, int rank,
                                                     const GangHosts& hosts, int generation);

}  // namespace saturn
