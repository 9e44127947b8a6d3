// SPDX-License-Identifier: Apache-2.0
// How pieces go through the hosts. Meeting, connections and messages are in hosts_communicator.cpp.
#include <algorithm>
#include <array>
#include <cstring>

#include "train/hosts_communicator.h"
#include "train/reduce.h"

namespace saturn {
namespace {

/// Elements of a piece: one that lies in a place, and several of a buffer, so that hosts work at the same
/// time.
std::size_t elements_of_piece(std::size_t count, std::size_t most) {
  constexpr std::size_t kLeast = 4096, kPieces = 16;
  const std::size_t even = (count / kPieces + 31) & ~std::size_t{31};
  return std::min(std::max(even, kLeast), most & ~std::size_t{31});
}

std::size_t pieces_of(std::size_t whole, std::size_t piece) {
  return (whole + piece - 1) / piece;
}

}  // namespace

/// The stages of a piece on its way: contributed in shared memory for the rank that brings it; forwarded to
/// the next host by that one; finished when the result is where it is wanted. They follow one another with so
/// many pieces in between that all stages of all hosts are busy at the same time.
class HostsCommunicator::Reducer {
 public:
  using PieceOf = std::function<Piece(std::size_t)>;

  Reducer(HostsCommunicator& gang, Dtype dtype, Reduction reduction, PieceOf piece)
      : c_(gang),
        dtype_(dtype),
        reduction_(reduction),
        piece_of_(std::move(piece)),
        lanes_(static_cast<std::size_t>(c_.layout_.lanes())),
        here_(c_.here(c_.rank_)),
        last_(c_.host_ == c_.layout_.hosts() - 1),
        element_(size_of(dtype)),
        sum_(size_of(sum_dtype(dtype))) {
    // Of a reduction to one rank, a result may also only pass through.
    c_.scratch_.resize((2 * kPlaces + 1) * scratch_bytes());
  }

  void run(std::size_t pieces) {
    const std::size_t contribute_ahead = kPlaces - 1, forward_ahead = this->forward_ahead();
    for (std::size_t p = 0; p < std::min(contribute_ahead, pieces); ++p) contribute(p);
    for (std::size_t p = 0; p < std::min(forward_ahead, pieces); ++p) forward(p);
    for (std::size_t p = 0; p < pieces; ++p) {
      if (p + contribute_ahead < pieces) contribute(p + contribute_ahead);
      if (p + forward_ahead < pieces) forward(p + forward_ahead);
      finish(p);
    }
  }

 private:
  using Ticket = std::uint64_t;

  /// What the last host forwards are results: the sooner, the better. The first could go on for as long as
  /// the link takes something, but what has left the caches before it is read costs more than it gains.
  std::size_t forward_ahead() const {
    const auto hosts = static_cast<std::size_t>(c_.layout_.hosts());
    return (kPlaces - 1) * (hosts - 1 - static_cast<std::size_t>(c_.host_)) / (hosts - 1);
  }
  std::size_t scratch_bytes() const { return c_.place_bytes() * sum_ / element_; }
  std::byte* scratch(std::size_t index) const { return c_.scratch_.data() + index * scratch_bytes(); }
  std::byte* came() const { return scratch(2 * kPlaces); }
  /// Where a sum lies until the next host has it.
  std::byte* going(std::size_t p) { return free(going_, p, 0, next()); }
  /// Where a result lies until the host before has it.
  std::byte* passing(std::size_t p) { return free(passing_, p, kPlaces, previous()); }
  std::byte* free(const std::array<Ticket, kPlaces>& tickets, std::size_t p, std::size_t first,
                  int to) const {
    if (tickets[p % kPlaces] > 0) c_.wait_sent(to, tickets[p % kPlaces]);
    return scratch(first + p % kPlaces);
  }

  bool brings(std::size_t p) const { return static_cast<int>(p % lanes_) == here_; }
  int bringer(std::size_t p) const { return static_cast<int>(p % lanes_); }
  int next() const { return c_.layout_.first_of(c_.host_ + 1) + here_; }
  int previous() const { return c_.layout_.first_of(c_.host_ - 1) + here_; }
  /// Whether a host gets the result from the one behind it.
  bool comes_to(int host, const Piece& piece) const {
    return piece.wanted_by < 0 || c_.layout_.host_of(piece.wanted_by) <= host;
  }
  bool wanted_here(const Piece& piece) const { return piece.wanted_by < 0 || c_.is_here(piece.wanted_by); }
  RankRecord& record(int local) const { return c_.segment_->rank(local); }

  void contribute(std::size_t p) {
    if (c_.alone()) return;
    if (p >= kPlaces) c_.wait_for_all(&RankRecord::finished, p - kPlaces + 1);
    if (!brings(p)) {
      const Piece piece = piece_of_(p);
      std::memcpy(c_.place(here_, p), piece.in, piece.count * element_);
    }
    open_gate(record(here_).contributed, c_.count_of(p + 1));
  }

  std::vector<const void*> sources(std::size_t p, const Piece& piece) const {
    std::vector<const void*> sources;
    for (int local = 0; local < c_.segment_->size(); ++local)
      sources.push_back(local == here_ ? piece.in : c_.place(local, p));
    return sources;
  }

  /// One rank's elements are no sum yet: they travel as they are.
  bool plain_after(int host) const { return host == 0 && c_.layout_.ranks_of(0) == 1; }

  void forward(std::size_t p) {
    if (!brings(p)) return;
    const Piece piece = piece_of_(p);
    if (!c_.alone()) c_.wait_for_all(&RankRecord::contributed, p + 1);
    if (plain_after(c_.host_)) return (void)c_.queue(next(), p, piece.in, piece.count * element_);
    std::vector<const void*> sources = this->sources(p, piece);
    const void* before = nullptr;
    if (c_.host_ > 0) {
      const bool plain = plain_after(c_.host_ - 1);
      c_.receive_piece(previous(), p, came(), piece.count * (plain ? element_ : sum_));
      if (plain) {
        sources.insert(sources.begin(), came());
      } else {
        before = came();
      }
    }
    if (last_) return complete(p, piece, before, sources);
    std::byte* sum = going(p);
    reduce_further(before, sources, piece.count, dtype_, reduction_, sum);
    going_[p % kPlaces] = c_.queue(next(), p, sum, piece.count * sum_);
  }

  /// Where the result of a piece is put together on a host that it comes to.
  std::byte* result_of(std::size_t p, const Piece& piece) {
    if (piece.out != nullptr) return piece.out;
    return wanted_here(piece) ? c_.place(here_, p) : passing(p);
  }
  void send_back(std::size_t p, const Piece& piece, const std::byte* result) {
    if (c_.host_ == 0 || !comes_to(c_.host_ - 1, piece)) return;
    const Ticket ticket = c_.queue(previous(), p, result, piece.count * element_);
    if (!wanted_here(piece)) passing_[p % kPlaces] = ticket;
  }
  /// The place for the host's other ranks, when they want what this one has in its own memory.
  std::byte* copy_of(std::size_t p, const Piece& piece) const {
    return !c_.alone() && piece.wanted_by < 0 ? c_.place(here_, p) : nullptr;
  }

  void complete(std::size_t p, const Piece& piece, const void* before,
                const std::vector<const void*>& sources) {
    std::byte* result = result_of(p, piece);
    reduce_last(before, sources, piece.count, dtype_, reduction_, result, copy_of(p, piece));
    send_back(p, piece, result);
  }

  void finish(std::size_t p) {
    const Piece piece = piece_of_(p);
    if (brings(p)) {
      if (!last_ && comes_to(c_.host_, piece)) take_result(p, piece);
      open_gate(record(here_).published, c_.count_of(p + 1));
    } else {
      c_.wait_at(record(bringer(p)).published, c_.count_of(p + 1), bringer(p));
      if (piece.out != nullptr) std::memcpy(piece.out, c_.place(bringer(p), p), piece.count * element_);
    }
    open_gate(record(here_).finished, c_.count_of(p + 1));
  }

  void take_result(std::size_t p, const Piece& piece) {
    std::byte* result = result_of(p, piece);
    c_.receive_piece(next(), p, result, piece.count * element_);
    send_back(p, piece, result);
    std::byte* copy = copy_of(p, piece);
    if (copy != nullptr) std::memcpy(copy, result, piece.count * element_);
  }

  HostsCommunicator& c_;
  Dtype dtype_;
  Reduction reduction_;
  PieceOf piece_of_;
  std::size_t lanes_;
  int here_;
  bool last_;
  std::size_t element_, sum_;
  std::array<Ticket, kPlaces> going_{}, passing_{};
};

void HostsCommunicator::all_reduce(Buffer buffer, Reduction reduction) {
  begin(call_of(Operation::kAllReduce, buffer, static_cast<std::uint32_t>(reduction)));
  const std::size_t element = size_of(buffer.dtype);
  const std::size_t each = elements_of_piece(buffer.count, place_bytes() / element);
  auto* data = static_cast<std::byte*>(buffer.data);
  const auto piece = [&](std::size_t p) {
    return Piece{data + p * each * element, data + p * each * element,
                 std::min(each, buffer.count - p * each), -1};
  };
  const std::size_t pieces = pieces_of(buffer.count, each);
  Reducer(*this, buffer.dtype, reduction, piece).run(pieces);
  end(pieces);
}

void HostsCommunicator::barrier() {
  std::int64_t nothing = 0;
  begin(call_of(Operation::kBarrier, {}));
  auto* data = reinterpret_cast<std::byte*>(&nothing);
  Reducer(*this, Dtype::kInt64, Reduction::kMax, [&](std::size_t) {
    return Piece{data, data, 1, -1};
  }).run(1);
  end(1);
}

/// Piece p is of part p % size().
void HostsCommunicator::reduce_scatter(Buffer input, Buffer output) {
  check_parts(output, input, size());
  begin(call_of(Operation::kReduceScatter, output));
  const std::size_t element = size_of(output.dtype);
  const auto parts = static_cast<std::size_t>(size());
  const std::size_t each = elements_of_piece(output.count, place_bytes() / element);
  const auto* in = static_cast<const std::byte*>(input.data);
  auto* out = static_cast<std::byte*>(output.data);
  const auto piece = [&](std::size_t p) {
    const std::size_t part = p % parts, begin = p / parts * each;
    const int owner = static_cast<int>(part);
    return Piece{in + (part * output.count + begin) * element,
                 owner == rank_ ? out + begin * element : nullptr, std::min(each, output.count - begin),
                 owner};
  };
  const std::size_t pieces = pieces_of(output.count, each) * parts;
  Reducer(*this, output.dtype, Reduction::kSum, piece).run(pieces);
  end(pieces);
}

/// Brought pieces are ahead of those that are taken by as many as there are places.
void HostsCommunicator::share(std::size_t pieces, const std::function<Shared(std::size_t)>& piece,
                              const std::function<void(std::size_t)>& bring) {
  const int here = this->here(rank_);
  const auto bring_mine = [&](std::size_t p) {
    const Shared shared = piece(p);
    if (shared.bringer != here) return;
    bring(p);
    if (alone()) return;
    if (p >= kPlaces) wait_for_all(&RankRecord::finished, p - kPlaces + 1);
    std::memcpy(place(here, p), shared.at, shared.bytes);
    open_gate(segment_->rank(here).published, count_of(p + 1));
  };
  const std::size_t ahead = alone() ? 0 : kPlaces - 1;
  for (std::size_t p = 0; p < std::min(ahead, pieces); ++p) bring_mine(p);
  for (std::size_t p = 0; p < pieces; ++p) {
    if (p + ahead < pieces) bring_mine(p + ahead);
    const Shared shared = piece(p);
    if (shared.bringer != here) {
      wait_at(segment_->rank(shared.bringer).published, count_of(p + 1), shared.bringer);
      std::memcpy(shared.at, place(shared.bringer, p), shared.bytes);
    }
    open_gate(segment_->rank(here).finished, count_of(p + 1));
  }
}

/// Piece p is of rank p % size(), which sends it to one rank of every other host.
void HostsCommunicator::all_gather(Buffer input, Buffer output) {
  check_parts(input, output, size());
  begin(call_of(Operation::kAllGather, input));
  const std::size_t bytes = input.count * size_of(input.dtype);
  const auto ranks = static_cast<std::size_t>(size());
  auto* out = static_cast<std::byte*>(output.data);
  const std::size_t own = static_cast<std::size_t>(rank_);
  if (bytes > 0 && out + own * bytes != input.data) std::memcpy(out + own * bytes, input.data, bytes);

  const std::size_t blocks = pieces_of(bytes, place_bytes());
  const auto piece = [&](std::size_t p) {
    const std::size_t from = p % ranks, begin = p / ranks * place_bytes();
    return Shared{here(layout_.partner(static_cast<int>(from), host_)), out + from * bytes + begin,
                  std::min(place_bytes(), bytes - begin)};
  };
  for (std::size_t p = own; p < blocks * ranks; p += ranks) {
    const Shared shared = piece(p);
    for (int host = 0; host < layout_.hosts(); ++host) {
      if (host != host_) queue(layout_.partner(rank_, host), p, shared.at, shared.bytes);
    }
  }
  share(blocks * ranks, piece, [&](std::size_t p) {
    const int from = static_cast<int>(p % ranks);
    if (is_here(from)) return;
    const Shared shared = piece(p);
    receive_piece(from, p, shared.at, shared.bytes);
  });
  end(blocks * ranks);
}

/// From host to host, beginning with the root's.
void HostsCommunicator::broadcast(Buffer buffer, int root) {
  check_peer(root, "broadcast from");
  begin(call_of(Operation::kBroadcast, buffer, static_cast<std::uint32_t>(root)));
  const std::size_t bytes = buffer.count * size_of(buffer.dtype);
  auto* data = static_cast<std::byte*>(buffer.data);
  const int hosts = layout_.hosts(), root_host = layout_.host_of(root);
  const int behind = (host_ - root_host + hosts) % hosts;  // so many hosts have it before this one
  const auto piece = [&](std::size_t p) {
    return Shared{here(layout_.partner(root, host_)), data + p * place_bytes(),
                  std::min(place_bytes(), bytes - p * place_bytes())};
  };
  const auto bringer_of = [&](int step) { return layout_.partner(root, (root_host + step) % hosts); };
  const std::size_t pieces = pieces_of(bytes, place_bytes());
  share(pieces, piece, [&](std::size_t p) {
    const Shared shared = piece(p);
    if (behind > 0) receive_piece(bringer_of(behind - 1), p, shared.at, shared.bytes);
    if (behind + 1 < hosts) queue(bringer_of(behind + 1), p, shared.at, shared.bytes);
  });
  end(pieces);
}

}  // namespace saturn
