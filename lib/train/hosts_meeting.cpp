// SPDX-License-Identifier: Apache-2.0
#include "train/hosts_meeting.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host.h"
#include "base/socket.h"

namespace saturn {
namespace {

constexpr std::uint64_t kHelloMagic = 0x53415455524e5402;  // "SATURNT", version 2
constexpr Seconds kPatience{10};                           // with what a rank that is there has to say
constexpr Seconds kConnectLimit{3};                        // for one of rank 0's names
constexpr int kRoundsOfNames = 3;
constexpr int kLookAtOwn = 20;  // milliseconds between looks at this host's ranks

template <std::size_t N>
void put(std::array<char, N>& field, const std::string& text) {
  std::memcpy(field.data(), text.data(), std::min(text.size(), N - 1));
}
template <std::size_t N>
std::string get(const std::array<char, N>& field) {
  return {field.data(), ::strnlen(field.data(), N)};
}

/// The first words on every connection.
struct Hello {
  std::uint64_t magic = kHelloMagic;
  std::array<char, 32> token{};
  std::uint32_t purpose = 0;
  std::int32_t generation = 0, rank = 0, size = 0, process = 0, port = 0;
  std::array<char, 64> host{}, software{};
};
/// What follows in the meeting, from rank 0 and to it.
struct Word {
  std::uint32_t failed = 0;  ///< 0: go on
  std::array<char, 1020> reason{};
};
struct Address {
  std::array<char, 64> number{};  ///< empty: of rank 0's host, by the name that it was reached by
  std::array<char, 64> host{};
  std::int32_t process = 0, port = 0;
};

bool knows(const Hello& hello, const GangAddress& address) {
  unsigned differ = hello.magic == kHelloMagic && address.token.size() == hello.token.size() ? 0 : 1;
  for (std::size_t i = 0; i < hello.token.size(); ++i) {
    differ |= static_cast<unsigned>(hello.token[i] ^ (i < address.token.size() ? address.token[i] : '\0'));
  }
  return differ == 0;
}

/// Of a rank that computes, a collective or a message may have to wait for as long as that takes; the watch,
/// which never waits, tells when its host is gone.
bool always_read(Purpose purpose) {
  return purpose == Purpose::kMeeting || purpose == Purpose::kWatch;
}

/// Who has knocked and said hello.
struct Arrival {
  FileDescriptor socket;
  Hello hello;
};

/// Lets in who knows the token; the others take none of its time.
class Door {
 public:
  Door(int listener, const GangHosts& hosts)
      : listener_(listener), address_(hosts.address), silence_(hosts.silence) {}

  /// The sockets to wait for.
  void add_to(std::vector<pollfd>& polled) const {
    polled.push_back({listener_, POLLIN, 0});
    for (const Guest& guest : guests_) polled.push_back({guest.socket.get(), POLLIN, 0});
  }
  std::vector<Arrival> arrivals() {
    while (FileDescriptor socket = accept_from(listener_)) guests_.push_back({std::move(socket), {}, 0, 0});
    std::vector<Arrival> arrivals;
    for (Guest& guest : guests_) hear(guest, arrivals);
    std::erase_if(guests_, [](const Guest& guest) { return !guest.socket; });
    return arrivals;
  }

 private:
  struct Guest {
    FileDescriptor socket;
    Hello hello;
    std::size_t heard;
    double since;
  };
  void hear(Guest& guest, std::vector<Arrival>& arrivals) {
    if (guest.since == 0) guest.since = steady_seconds();
    const ssize_t n = ::recv(guest.socket.get(), reinterpret_cast<char*>(&guest.hello) + guest.heard,
                             sizeof(Hello) - guest.heard, 0);
    if (n > 0) guest.heard += static_cast<std::size_t>(n);
    const bool still = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (guest.heard == sizeof(Hello)) {
      if (knows(guest.hello, address_)) {
        const auto purpose = static_cast<Purpose>(guest.hello.purpose);
        limit_silence(guest.socket.get(), silence_, always_read(purpose));
        arrivals.push_back({std::move(guest.socket), guest.hello});
      }
      guest.socket.reset();
    } else if (!still || steady_seconds() - guest.since > kPatience.count()) {
      guest.socket.reset();
    }
  }

  int listener_;
  const GangAddress& address_;
  Seconds silence_;
  std::vector<Guest> guests_;
};

std::string name_of(int rank, int process, const std::string& host) {
  return fmt::format("rank {} (process {} on {})", rank, process, host);
}

class Meeting {
 public:
  Meeting(int rank, const GangHosts& hosts, Seconds timeout, int generation,
          const std::function<std::string()>& lost_here)
      : rank_(rank),
        hosts_(hosts),
        layout_(hosts.ranks),
        timeout_(timeout),
        until_(steady_seconds() + timeout.count()),
        generation_(generation),
        lost_here_(lost_here),
        own_listener_(rank == 0 ? FileDescriptor() : listen_at_any_port()),
        door_(rank == 0 ? hosts.listener : own_listener_.get(), hosts),
        addresses_(static_cast<std::size_t>(layout_.size())),
        meeting_(addresses_.size()) {}

  std::vector<Peer> run() {
    if (rank_ == 0) {
      gather();
    } else {
      join();
    }
    for (int peer = 0; peer < layout_.size(); ++peer) peers_.push_back({name(peer), {}, {}, {}});
    for (int peer = 0; peer < rank_; ++peer) {
      if (!is_here(peer)) connect(peer);
    }
    accept_the_rest();
    part();
    return std::move(peers_);
  }

 private:
  bool is_here(int peer) const { return layout_.host_of(peer) == layout_.host_of(rank_); }
  bool watches(int peer) const { return layout_.leads(rank_) && layout_.leads(peer); }
  Seconds left() const { return Seconds(std::max(until_ - steady_seconds(), 0.0)); }
  FileDescriptor& meeting(int rank) { return meeting_[static_cast<std::size_t>(rank)]; }

  Hello hello(Purpose purpose) const {
    Hello hello;
    put(hello.host, host_name());
    put(hello.software, hosts_.software);
    std::memcpy(hello.token.data(), hosts_.address.token.data(),
                std::min(hello.token.size(), hosts_.address.token.size()));
    hello.purpose = static_cast<std::uint32_t>(purpose);
    hello.generation = generation_;
    hello.rank = rank_;
    hello.size = layout_.size();
    hello.process = ::getpid();
    hello.port = own_listener_ ? port_of(own_listener_.get()) : 0;
    return hello;
  }
  static Address address_of(const Hello& hello, const std::string& number) {
    Address address;
    put(address.number, number);
    address.host = hello.host;
    address.process = hello.process;
    address.port = hello.port;
    return address;
  }

  /// Rank 0 tells everybody, the others tell rank 0; then this rank's own error.
  [[noreturn]] void fail(const std::string& reason) {
    Word word;
    word.failed = 1;
    put(word.reason, reason);
    for (const FileDescriptor& socket : meeting_) {
      if (socket) (void)send_all(socket.get(), &word, sizeof word, Seconds(1));
    }
    throw CommunicatorError(reason);
  }

  void check(int missing) {
    const std::string lost = lost_here_();
    if (!lost.empty()) fail(lost);
    if (left() > Seconds(0)) return;
    fail(fmt::format("rank {} waited {} for {}, which did not come", rank_, to_text_duration(timeout_),
                     name(missing)));
  }

  /// Until something comes in at the door or from the meeting, or for some milliseconds.
  void wait() {
    std::vector<pollfd> polled;
    door_.add_to(polled);
    for (const FileDescriptor& socket : meeting_) {
      if (socket) polled.push_back({socket.get(), POLLIN, 0});
    }
    ::poll(polled.data(), polled.size(), kLookAtOwn);
  }

  std::string name(int rank) const {
    const Address& address = addresses_[static_cast<std::size_t>(rank)];
    if (address.process == 0) return fmt::format("rank {}", rank);  // it has not said
    return name_of(rank, address.process, get(address.host));
  }
  [[noreturn]] void lose(int peer) {
    meeting(peer).reset();
    fail(name(peer) + " died while the gang met");
  }

  /// Whether the other has just said that all is well.
  bool heard(int from) {
    pollfd polled{meeting(from).get(), POLLIN, 0};
    if (!meeting(from) || ::poll(&polled, 1, 0) <= 0) return false;
    Word word;
    if (receive_all(meeting(from).get(), &word, sizeof word, kPatience) != 0) lose(from);
    if (word.failed == 0) return true;
    meeting(from).reset();
    fail(get(word.reason));
  }

  void gather() {
    addresses_[0] = address_of(hello(Purpose::kMeeting), "");
    addresses_[0].port = hosts_.address.port;
    int there = 1;
    while (there < layout_.size()) {
      wait();
      for (Arrival& arrival : door_.arrivals()) {
        const Hello& hello = arrival.hello;
        const bool fits = hello.purpose == static_cast<std::uint32_t>(Purpose::kMeeting) &&
                          hello.generation == generation_ && hello.size == layout_.size() && hello.rank > 0 &&
                          hello.rank < layout_.size() && !meeting(hello.rank);
        if (!fits) continue;  // it comes again when it is of a later generation
        // Where this host's own ranks come from (127.0.0.1, say) means nothing to the others.
        const bool here = is_here(hello.rank);
        addresses_[static_cast<std::size_t>(hello.rank)] =
            address_of(hello, here ? "" : peer_address(arrival.socket.get()));
        meeting(hello.rank) = std::move(arrival.socket);
        require_same_software(hello);
        ++there;
      }
      int missing = layout_.size();
      for (int peer = layout_.size() - 1; peer > 0; --peer) {
        if (!meeting(peer)) missing = peer;
        heard(peer);
      }
      if (there < layout_.size()) check(missing);
    }
    tell_all(addresses_.data(), addresses_.size() * sizeof(Address));
  }

  /// Sums of another version may differ in their last bits, and the weights with them.
  void require_same_software(const Hello& other) {
    const std::string theirs = get(other.software);
    if (theirs == hosts_.software) return;
    fail(fmt::format("{} has {}, {} has {}: all nodes need the same", name(other.rank), theirs, name(0),
                     hosts_.software));
  }

  /// That all is well, and more.
  void tell_all(const void* more, std::size_t bytes) {
    const Word word;
    for (int peer = 1; peer < layout_.size(); ++peer) {
      int error = send_all(meeting(peer).get(), &word, sizeof word, kPatience);
      if (error == 0 && bytes > 0) error = send_all(meeting(peer).get(), more, bytes, kPatience);
      if (error != 0) lose(peer);
    }
  }

  void join() {
    for (bool told = false; !told;) {
      meeting(0) = reach(hosts_.address.hosts, hosts_.address.port, "rank 0", Purpose::kMeeting, &reached_);
      told = wait_for_word();
    }
    const std::size_t bytes = addresses_.size() * sizeof(Address);
    if (receive_all(meeting(0).get(), addresses_.data(), bytes, kPatience) != 0) lose(0);
  }

  /// Whether rank 0 has spoken; it closes the connection of who comes before their time.
  bool wait_for_word() {
    while (true) {
      wait();
      char byte = 0;
      const ssize_t n = ::recv(meeting(0).get(), &byte, 1, MSG_PEEK);
      if (n > 0) return heard(0);
      if (n == 0 || (errno != EAGAIN && errno != EINTR)) break;
      check(0);
    }
    meeting(0).reset();
    check(0);
    pause();
    return false;
  }

  static void pause() {
    const timespec moment{0, 20000000};
    ::nanosleep(&moment, nullptr);
  }

  FileDescriptor reach(const std::vector<std::string>& names, int port, const std::string& who,
                       Purpose purpose, std::string* reached) {
    const Hello words = hello(purpose);
    std::vector<std::string> whys;
    for (int round = 0; round < kRoundsOfNames; ++round) {
      whys.clear();
      for (const std::string& name : names) {
        std::string why;
        FileDescriptor socket = connect_to(name, port, std::min(kConnectLimit, left()), why);
        if (socket && send_all(socket.get(), &words, sizeof words, kPatience) == 0) {
          limit_silence(socket.get(), hosts_.silence, always_read(purpose));
          if (reached != nullptr) *reached = name;
          return socket;
        }
        whys.push_back(fmt::format("{}: {}", name, why));
      }
      pause();
    }
    fail(fmt::format("rank {} cannot reach {} at port {} ({})", rank_, who, port, fmt::join(whys, "; ")));
  }

  void connect(int peer) {
    const Address& address = addresses_[static_cast<std::size_t>(peer)];
    const std::string number = get(address.number).empty() ? reached_ : get(address.number);
    Peer& met = peers_[static_cast<std::size_t>(peer)];
    const auto open = [&](Purpose purpose) {
      return reach({number}, address.port, met.name, purpose, nullptr);
    };
    met.collectives = open(Purpose::kCollectives);
    met.messages = open(Purpose::kMessages);
    if (watches(peer)) met.watch = open(Purpose::kWatch);
  }

  FileDescriptor* place_of(const Hello& hello) {
    const bool fits = hello.generation == generation_ && hello.size == layout_.size() && hello.rank > rank_ &&
                      hello.rank < layout_.size() && !is_here(hello.rank);
    if (!fits) return nullptr;
    Peer& peer = peers_[static_cast<std::size_t>(hello.rank)];
    if (hello.purpose == static_cast<std::uint32_t>(Purpose::kCollectives)) return &peer.collectives;
    if (hello.purpose == static_cast<std::uint32_t>(Purpose::kMessages)) return &peer.messages;
    const bool watch = hello.purpose == static_cast<std::uint32_t>(Purpose::kWatch) && watches(hello.rank);
    return watch ? &peer.watch : nullptr;
  }

  /// The first higher rank that has not opened all its connections; size() when all have.
  int next_missing() const {
    for (int peer = rank_ + 1; peer < layout_.size(); ++peer) {
      const Peer& met = peers_[static_cast<std::size_t>(peer)];
      if (!is_here(peer) && (!met.collectives || !met.messages || (watches(peer) && !met.watch))) return peer;
    }
    return layout_.size();
  }

  void accept_the_rest() {
    for (int missing = 0; (missing = next_missing()) < layout_.size();) {
      wait();
      for (Arrival& arrival : door_.arrivals()) {
        FileDescriptor* place = place_of(arrival.hello);
        if (place != nullptr && !*place) *place = std::move(arrival.socket);
      }
      listen_for_failures();
      check(missing);
    }
  }

  /// Nobody says that it is ready before it is, but for rank 0, which hears of it here already.
  void listen_for_failures() {
    for (int peer = rank_ == 0 ? 1 : 0; peer < (rank_ == 0 ? layout_.size() : 1); ++peer) {
      if (heard(peer)) ready_.push_back(peer);
    }
  }

  /// Nobody leaves the meeting before all have all their connections: until then a death is noticed here.
  void part() {
    if (rank_ != 0) {
      const Word word;
      (void)send_all(meeting(0).get(), &word, sizeof word, kPatience);
      while (ready_.empty()) wait(), listen_for_failures(), check(0);
      return;
    }
    while (static_cast<int>(ready_.size()) < layout_.size() - 1) {
      wait();
      listen_for_failures();
      int missing = 1;
      while (std::count(ready_.begin(), ready_.end(), missing) > 0) ++missing;
      if (missing < layout_.size()) check(missing);
    }
    tell_all(nullptr, 0);
  }

  int rank_;
  const GangHosts& hosts_;
  HostLayout layout_;
  Seconds timeout_;
  double until_;
  int generation_;
  const std::function<std::string()>& lost_here_;
  FileDescriptor own_listener_;
  Door door_;
  std::vector<Address> addresses_;
  std::vector<FileDescriptor> meeting_;  ///< rank 0: with each; the others: with rank 0
  std::string reached_;                  ///< the name that rank 0 was reached by
  std::vector<int> ready_;
  std::vector<Peer> peers_;
};

}  // namespace

HostLayout::HostLayout(const std::vector<int>& ranks) : firsts_{0} {
  for (const int count : ranks) firsts_.push_back(firsts_.back() + count);
}

int HostLayout::host_of(int rank) const {
  const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), rank);
  return static_cast<int>(after - firsts_.begin()) - 1;
}

int HostLayout::partner(int rank, int host) const {
  const int here = rank - first_of(host_of(rank));
  return first_of(host) + here % ranks_of(host);
}

int HostLayout::lanes() const {
  int lanes = size();
  for (int host = 0; host < hosts(); ++host) lanes = std::min(lanes, ranks_of(host));
  return lanes;
}

std::vector<Peer> meet_hosts(int rank, const GangHosts& hosts, Seconds timeout, int generation,
                             const std::function<std::string()>& lost_here) {
  return Meeting(rank, hosts, timeout, generation, lost_here).run();
}

}  // namespace saturn
