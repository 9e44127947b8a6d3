// SPDX-License-Identifier: Apache-2.0
#include "train/hosts_communicator.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>

#include "base/clock.h"
#include "base/host.h"

namespace saturn {
namespace {

/// How often a sleeping rank looks after its peers.
constexpr int kLookEvery = 20;  // milliseconds
/// While there is something to send, which only this thread does.
constexpr Seconds kSendEvery{0.0002};
/// A closed connection is explained within that time by whoever watches the hosts, or not at all.
constexpr double kExplanation = 0.5;

}  // namespace

HostsCommunicator::HostsCommunicator(std::shared_ptr<const SharedSegment> segment, int rank,
                                     const GangHosts& hosts, Seconds timeout, int generation)
    : segment_(std::move(segment)),
      layout_(hosts.ranks),
      rank_(rank),
      host_(layout_.host_of(rank)),
      timeout_(timeout) {
  const auto lost_here = [&] {
    for (int local = 0; local < segment_->size(); ++local) {
      const std::string lost = local == here(rank_) ? "" : segment_->loss_of(local);
      if (!lost.empty()) return lost;
    }
    return std::string();
  };
  std::vector<Peer> peers = meet_hosts(rank, hosts, timeout, generation, lost_here);
  local_ = std::make_unique<SharedCommunicator>(segment_, here(rank), timeout);
  std::vector<HostsWatch::Other> others;
  for (Peer& peer : peers) {
    if (peer.watch) others.push_back({peer.name, std::move(peer.watch)});
    remotes_.push_back({std::move(peer.name), {}, {}});
    if (!peer.collectives) continue;
    remotes_.back().collectives.emplace(std::move(peer.collectives));
    remotes_.back().messages.emplace(std::move(peer.messages));
  }
  for (Remote& remote : remotes_) {
    if (!remote.collectives) continue;
    links_.push_back(&*remote.collectives);
    links_.push_back(&*remote.messages);
  }
  if (layout_.leads(rank)) watch_ = std::make_unique<HostsWatch>(segment_, std::move(others));
}

HostsCommunicator::~HostsCommunicator() {
  if (!segment_->is_aborted()) {
    for (Link* link : links_) link->say_goodbye();
  }
}

void HostsCommunicator::abort(const std::string& reason) {
  segment_->abort(reason);
  if (watch_) watch_->wake();
}

void HostsCommunicator::die(const std::string& reason) {
  abort(reason);
  throw CommunicatorError(segment_->abort_reason());
}

/// Of the same loss the watches of the hosts may know the cause.
void HostsCommunicator::lose(int peer, const std::string& why) {
  const double until = steady_seconds() + kExplanation;
  while (!segment_->is_aborted() && steady_seconds() < until) ::poll(nullptr, 0, 1);
  die(remote(peer).name + " " + why);
}

void HostsCommunicator::lose(int peer, const LinkLost& loss) {
  const bool ended = loss.error() == 0 || loss.error() == ECONNRESET || loss.error() == EPIPE;
  lose(peer, ended ? std::string("died") : fmt::format("cannot be reached any more: {}", loss.what()));
}

void HostsCommunicator::check_peer(int peer, const char* what) const {
  if (peer < 0 || peer >= size()) {
    throw std::logic_error(fmt::format("{} rank {} of {}", what, peer, size()));
  }
  if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
}

/// Meets the ranks of this host: their places are free then, and they are about to do the same. What the
/// other hosts do is said with every piece.
void HostsCommunicator::begin(const Call& call) {
  local_->meet(call);
  call_ = call;
  ++sequence_;
}

void HostsCommunicator::end(std::size_t pieces) {
  flush();
  first_piece_ += static_cast<std::uint32_t>(pieces);
  // No counter stays behind for so long that it seems to be ahead.
  RankRecord& own = segment_->rank(here(rank_));
  for (Gate* gate : {&own.contributed, &own.published, &own.finished}) open_gate(*gate, first_piece_);
}

std::uint64_t HostsCommunicator::queue(int to, std::size_t piece, const void* data, std::size_t bytes) {
  Link& link = *remote(to).collectives;
  const std::uint64_t ticket = link.queue({call_, sequence_, static_cast<std::uint32_t>(piece)}, data, bytes);
  push();
  return ticket;
}

void HostsCommunicator::push() {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (links_[i]->idle()) continue;
    try {
      links_[i]->send_some();
    } catch (const LinkLost& loss) {
      for (int peer = 0; peer < size(); ++peer) {
        if (remote(peer).collectives &&
            (links_[i] == &*remote(peer).collectives || links_[i] == &*remote(peer).messages)) {
          lose(peer, loss);
        }
      }
    }
  }
}

void HostsCommunicator::check_alive(int peer, double since) {
  if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
  // It would hear of other hosts' aborts.
  const RankRecord& first = segment_->rank(0);
  if (first.presence == Presence::kPresent) {
    const std::string lost = segment_->loss_of(0);
    if (!lost.empty()) die(lost);
  }
  if (steady_seconds() - since <= timeout_.count()) return;
  die(fmt::format("rank {} waited {} for {}, which did not come", rank_, to_text_duration(timeout_),
                  is_here(peer) ? fmt::format("rank {}", peer) : remote(peer).name));
}

/// Until there is something to read, or to send, or for some milliseconds.
void HostsCommunicator::wait_for_link(const Link* reading, int peer, double since) {
  std::vector<pollfd> polled;
  if (reading != nullptr) polled.push_back({reading->descriptor(), POLLIN, 0});
  for (const Link* link : links_) {
    if (!link->idle()) polled.push_back({link->descriptor(), POLLOUT, 0});
  }
  const int ready = ::poll(polled.data(), polled.size(), kLookEvery);
  if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
  if (ready <= 0) check_alive(peer, since);
}

void HostsCommunicator::receive_bytes(Link& link, int from, void* data, std::size_t bytes) {
  const double since = steady_seconds();
  auto* at = static_cast<std::byte*>(data);
  while (bytes > 0) {
    std::size_t n = 0;
    try {
      n = link.receive_some(at, bytes);
    } catch (const LinkLost& loss) {
      lose(from, loss);
    }
    at += n;
    bytes -= n;
    push();
    if (n == 0) wait_for_link(&link, from, since);
  }
}

void HostsCommunicator::check_frame(const Frame& is, int from, const Frame& expected) {
  if (is == expected) return;
  if (is.call.operation == kLeaving) lose(from, "has left");
  if (is.call.operation > static_cast<std::uint32_t>(Operation::kMessage) || is.call.dtype > 3)
    die(fmt::format("{} sends what no rank sends", remote(from).name));
  if (expected.call.operation == static_cast<std::uint32_t>(Operation::kMessage))
    die(fmt::format("rank {} sends a {}, rank {} expects a {}", from, describe(is.call), rank_,
                    describe(expected.call)));
  const auto say = [](int rank, const Frame& frame) {
    return fmt::format("rank {} calls {}", rank, describe(frame.call));
  };
  if (is.call != expected.call) {
    const auto& [high, low] = from > rank_ ? std::pair(say(from, is), say(rank_, expected))
                                           : std::pair(say(rank_, expected), say(from, is));
    die(high + ", " + low);
  }
  die(fmt::format("rank {} is at collective {}, rank {} at {}", from, is.sequence, rank_, expected.sequence));
}

void HostsCommunicator::receive_frame(Link& link, int from, const Frame& expected) {
  Frame frame;
  receive_bytes(link, from, &frame, sizeof frame);
  check_frame(frame, from, expected);
}

void HostsCommunicator::receive_piece(int from, std::size_t piece, void* data, std::size_t bytes) {
  Link& link = *remote(from).collectives;
  receive_frame(link, from, {call_, sequence_, static_cast<std::uint32_t>(piece)});
  receive_bytes(link, from, data, bytes);
}

void HostsCommunicator::wait_sent(int to, std::uint64_t ticket) {
  const double since = steady_seconds();
  const Link& link = *remote(to).collectives;
  for (push(); link.sent() < ticket; push()) wait_for_link(nullptr, to, since);
}

void HostsCommunicator::flush() {
  for (int peer = 0; peer < size(); ++peer) {
    if (!remote(peer).collectives) continue;
    const double since = steady_seconds();
    const auto idle = [&] { return remote(peer).collectives->idle() && remote(peer).messages->idle(); };
    for (push(); !idle(); push()) wait_for_link(nullptr, peer, since);
  }
}

/// The kernel takes and gives in any order, so a wait for this host's ranks goes on sending.
void HostsCommunicator::wait_at(Gate& gate, std::uint32_t target, int local) {
  if (reached(gate, target)) return;
  const double since = steady_seconds();
  double next_look = since;
  while (!reached(gate, target)) {
    push();
    const bool idle =
        std::all_of(links_.begin(), links_.end(), [](const Link* link) { return link->idle(); });
    if (wait_at_gate(gate, target, idle ? Seconds(kLookEvery * 1e-3) : kSendEvery)) return;
    if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
    if (!idle && steady_seconds() < next_look) continue;
    next_look = steady_seconds() + kLookEvery * 1e-3;
    const std::string lost = segment_->loss_of(local);
    if (reached(gate, target)) return;  // it came before it went
    if (!lost.empty()) die(lost);
    check_alive(layout_.first_of(host_) + local, since);
  }
}

void HostsCommunicator::wait_for_all(Gate RankRecord::*gate, std::size_t pieces) {
  for (int local = 0; local < segment_->size(); ++local) {
    if (local != here(rank_)) wait_at(segment_->rank(local).*gate, count_of(pieces), local);
  }
}

void HostsCommunicator::send(Buffer buffer, int to) {
  check_peer(to, "send to");
  if (is_here(to)) return local_->send(buffer, here(to));
  remote(to).messages->queue({call_of(Operation::kMessage, buffer)}, buffer.data,
                             buffer.count * size_of(buffer.dtype));
  flush();
}

void HostsCommunicator::receive(Buffer buffer, int from) {
  check_peer(from, "receive from");
  if (is_here(from)) return local_->receive(buffer, here(from));
  Link& link = *remote(from).messages;
  receive_frame(link, from, {call_of(Operation::kMessage, buffer)});
  receive_bytes(link, from, buffer.data, buffer.count * size_of(buffer.dtype));
}

void HostsCommunicator::exchange(Buffer sent, Buffer received, int peer) {
  check_peer(peer, "exchange with");
  if (is_here(peer)) return local_->exchange(sent, received, here(peer));
  remote(peer).messages->queue({call_of(Operation::kMessage, sent)}, sent.data,
                               sent.count * size_of(sent.dtype));
  receive(received, peer);
  flush();
}

std::shared_ptr<const SharedSegment> segment_of_host(const std::filesystem::path& rendezvous, int rank,
                                                     const GangHosts& hosts, int generation) {
  const HostLayout layout(hosts.ranks);
  const bool right = layout.hosts() > 1 && rank >= 0 && rank < layout.size() && layout.lanes() > 0;
  const int host = right ? layout.host_of(rank) : 0;
  if (!right || layout.ranks_of(host) > kMaxRanks || (rank == 0) != (hosts.listener >= 0)) {
    throw std::logic_error(
        fmt::format("rank {} of {} on {} hosts: at least one and at most {} on each, and rank 0 listens",
                    rank, layout.size(), layout.hosts(), kMaxRanks));
  }
  SegmentShape shape;
  shape.generation = generation;
  shape.first_rank = layout.first_of(host);
  shape.host = host_name();
  return std::make_shared<const SharedSegment>(rendezvous, layout.ranks_of(host), shape);
}

std::unique_ptr<Communicator> make_hosts_communicator(const std::filesystem::path& rendezvous, int rank,
                                                      const GangHosts& hosts, Seconds timeout,
                                                      int generation) {
  return std::make_unique<HostsCommunicator>(segment_of_host(rendezvous, rank, hosts, generation), rank,
                                             hosts, timeout, generation);
}

}  // namespace saturn
