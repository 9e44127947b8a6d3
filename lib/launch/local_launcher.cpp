// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/gang_address.h"
#include "base/subprocess.h"
#include "base/supervisor.h"
#include "launch/launcher.h"
#include "launch/log_file.h"
#include "launch/news_queue.h"

namespace saturn {
namespace {

constexpr int kRendezvousNumber = 3;  // of the memfd in every rank
constexpr const char* kRendezvousPath = "/proc/self/fd/3";
constexpr int kGateNumber = 4;      // of the read end of a pipe, out of which every rank takes a byte
constexpr int kListenerNumber = 5;  // of the socket at which rank 0 meets the ranks of other nodes
/// After one rank has died the others get this long to say why and leave; then the gang is killed.
constexpr Seconds kLastWords{5};
constexpr size_t kLongestLine = 1 << 20;

struct Rank {
  Child child;
  bool running = true;
};

struct Gang {
  GangId id = -1;
  pid_t process_group = 0;
  std::vector<Rank> ranks;
  FileDescriptor input;   ///< rank 0's standard input
  FileDescriptor output;  ///< rank 0's standard output
  FileDescriptor log;
  FileDescriptor gate;  ///< of a gang that was started ahead
  std::string partial_line;
  std::optional<Seconds> kill_at;
  GangExited exited;
  bool failed = false;
  bool killed = false;  ///< by this launcher: its signals say nothing about the cause

  bool running() const {
    return std::any_of(ranks.begin(), ranks.end(), [](const Rank& rank) { return rank.running; });
  }
};

FileDescriptor make_rendezvous() {
  FileDescriptor fd(::memfd_create("saturn-rendezvous", MFD_CLOEXEC));
  if (!fd) throw SystemError("create", "shared memory", errno);
  return fd;
}

void replace(std::string& text, const std::string& name, const std::string& value) {
  const size_t at = text.find(name);
  if (at != std::string::npos) text.replace(at, name.size(), value);
}

std::vector<std::string> with_descriptors(std::vector<std::string> argv) {
  for (std::string& argument : argv) {
    replace(argument, "{rendezvous}", kRendezvousPath);
    replace(argument, "{gate}", std::to_string(kGateNumber));
    replace(argument, "{listener}", std::to_string(kListenerNumber));
  }
  return argv;
}

class LocalLauncher final : public Launcher {
 public:
  explicit LocalLauncher(std::unique_ptr<DeviceWatch> devices) : devices_(std::move(devices)) {
    ::signal(SIGPIPE, SIG_IGN);  // a gang may die before it reads "go"
  }
  ~LocalLauncher() override {
    for (auto& [id, gang] : gangs_) end(gang);
  }

  GangId start(const GangSpec& spec) override;
  void admit(GangId gang) override;
  void release(GangId gang) override;
  void stop(GangId gang, Seconds grace) override;
  void kill(GangId gang) override;
  std::optional<GangNews> wait(Seconds timeout) override;
  void watch_devices(const Cluster& cluster) override {
    if (devices_) devices_->watch(cluster);
  }
  void wake() override { news_.wake(); }

 private:
  struct Watched {
    GangId gang;  ///< kNoGang: the devices
    int rank;     ///< -1: the output of rank 0
  };

  static void end(Gang& gang);
  void spawn_ranks(const GangSpec& spec, Gang& gang);
  void poll_once(Seconds timeout);
  Seconds until_next_kill(Seconds timeout) const;
  void kill_overdue();
  void hear_of_devices();
  void read_output(Gang& gang);
  void take_line(Gang& gang, std::string_view line);
  void take_exit(Gang& gang, int rank);
  void finish_if_gone(Gang& gang);

  SteadyClock clock_;
  std::unique_ptr<DeviceWatch> devices_;
  std::map<GangId, Gang> gangs_;
  NewsQueue news_;
  GangId next_id_ = 0;
};

void LocalLauncher::end(Gang& gang) {
  if (gang.running()) ::kill(-gang.process_group, SIGKILL);
  for (Rank& rank : gang.ranks) {
    if (rank.running) reap(rank.child.pid);
    rank.running = false;
  }
}

void LocalLauncher::spawn_ranks(const GangSpec& spec, Gang& gang) {
  const FileDescriptor rendezvous = make_rendezvous();
  Pipe input = make_pipe();
  Pipe output = make_pipe();
  Pipe gate;
  if (spec.ahead) gate = make_pipe();
  const FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  SpawnSpec child;
  child.environment = spec.environment;
  child.environment.emplace_back(kSupervisorVariable, std::to_string(::getpid()));
  if (spec.job.spans_nodes()) child.environment.emplace_back(kGangAddressVariable, kAllHere);
  for (size_t i = 0; i < spec.ranks.size(); ++i) {
    child.argv = with_descriptors(spec.ranks[i]);
    child.process_group = gang.process_group;
    child.inherit = {{i == 0 ? input.read_end.get() : null.get(), 0},
                     {i == 0 ? output.write_end.get() : gang.log.get(), 1},
                     {gang.log.get(), 2},
                     {rendezvous.get(), kRendezvousNumber}};
    if (spec.ahead) child.inherit.push_back({gate.read_end.get(), kGateNumber});
    if (i == 0 && spec.listener >= 0) child.inherit.push_back({spec.listener, kListenerNumber});
    gang.ranks.push_back({spawn(child)});
    if (i == 0) gang.process_group = gang.ranks[0].child.pid;
  }
  gang.input = std::move(input.write_end);
  gang.output = std::move(output.read_end);
  gang.gate = std::move(gate.write_end);
  ::fcntl(gang.output.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(gang.input.get(), F_SETFL, O_NONBLOCK);
}

GangId LocalLauncher::start(const GangSpec& spec) {
  Gang gang;
  gang.id = next_id_++;
  gang.log = open_log(spec.log);
  try {
    spawn_ranks(spec, gang);
  } catch (...) {
    end(gang);  // half a gang is of no use to anybody
    throw;
  }
  const GangId id = gang.id;
  gangs_.emplace(id, std::move(gang));
  return id;
}

void LocalLauncher::admit(GangId id) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end() || !found->second.gate) return;
  // Its end alone would not do: it also comes when this process is killed.
  (void)write_all(found->second.gate.get(), std::string(found->second.ranks.size(), '\n'));
}

void LocalLauncher::release(GangId id) {
  const auto found = gangs_.find(id);
  // A gang that is dying does not read any more; its exit is what will be reported.
  if (found != gangs_.end()) (void)write_all(found->second.input.get(), "go\n");
}

void LocalLauncher::stop(GangId id, Seconds grace) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end() || !found->second.running()) return;
  ::kill(-found->second.process_group, SIGTERM);
  const Seconds at = clock_.now() + grace;
  found->second.kill_at = std::min(found->second.kill_at.value_or(at), at);
}

void LocalLauncher::kill(GangId id) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end() || !found->second.running()) return;
  found->second.killed = true;
  ::kill(-found->second.process_group, SIGKILL);
}

std::optional<GangNews> LocalLauncher::wait(Seconds timeout) {
  return news_.wait(timeout, [this](Seconds at_most) { poll_once(at_most); });
}

Seconds LocalLauncher::until_next_kill(Seconds timeout) const {
  for (const auto& [id, gang] : gangs_) {
    if (gang.kill_at) timeout = std::min(timeout, std::max(*gang.kill_at - clock_.now(), Seconds(0)));
  }
  return timeout;
}

void LocalLauncher::poll_once(Seconds timeout) {
  std::vector<pollfd> polled{{news_.descriptor(), POLLIN, 0}};
  std::vector<Watched> watched{{kNoGang, -1}};
  if (devices_ && devices_->descriptor() >= 0) {
    polled.push_back({devices_->descriptor(), POLLIN, 0});
    watched.push_back({kNoGang, -1});
  }
  for (auto& [id, gang] : gangs_) {
    if (gang.output) polled.push_back({gang.output.get(), POLLIN, 0}), watched.push_back({id, -1});
    for (size_t i = 0; i < gang.ranks.size(); ++i) {
      if (!gang.ranks[i].running) continue;
      polled.push_back({gang.ranks[i].child.pidfd.get(), POLLIN, 0});
      watched.push_back({id, static_cast<int>(i)});
    }
  }
  const double milliseconds = std::min(until_next_kill(timeout).count() * 1e3 + 1, 1e6);
  if (::poll(polled.data(), polled.size(), static_cast<int>(milliseconds)) > 0) {
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      if (watched[i].gang == kNoGang) {
        hear_of_devices();
        continue;
      }
      Gang& gang = gangs_.at(watched[i].gang);
      if (watched[i].rank < 0) {
        read_output(gang);
      } else {
        take_exit(gang, watched[i].rank);
      }
    }
  }
  kill_overdue();
  for (auto gang = gangs_.begin(); gang != gangs_.end();) {
    finish_if_gone(gang->second);
    gang = gang->second.ranks.empty() ? gangs_.erase(gang) : std::next(gang);
  }
}

void LocalLauncher::kill_overdue() {
  for (auto& [id, gang] : gangs_) {
    if (!gang.kill_at || clock_.now() < *gang.kill_at) continue;
    gang.kill_at.reset();
    kill(id);
  }
}

void LocalLauncher::hear_of_devices() {
  for (DeviceNews& news : devices_->read())
    std::visit([&](auto& what) { news_.push({kNoGang, std::move(what)}); }, news);
}

void LocalLauncher::read_output(Gang& gang) {
  std::array<char, 65536> buffer{};
  while (gang.output) {
    const ssize_t n = ::read(gang.output.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // nothing more for now
    if (n == 0) gang.output.reset();
    gang.partial_line.append(buffer.data(), static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end = 0; (end = gang.partial_line.find('\n', begin)) != std::string::npos; begin = end + 1) {
      take_line(gang, std::string_view(gang.partial_line).substr(begin, end - begin));
    }
    gang.partial_line.erase(0, begin);
    const bool hopeless = gang.partial_line.size() > kLongestLine;
    if ((hopeless || !gang.output) && !gang.partial_line.empty()) {
      take_line(gang, gang.partial_line);
      gang.partial_line.clear();
    }
  }
}

void LocalLauncher::take_line(Gang& gang, std::string_view line) {
  if (auto event = parse_event(line)) {
    news_.push({gang.id, std::move(*event)});
  } else {
    (void)write_all(gang.log.get(), std::string(line) + "\n");  // a full disk does not stop the supervisor
  }
}

void LocalLauncher::take_exit(Gang& gang, int index) {
  Rank& rank = gang.ranks[static_cast<size_t>(index)];
  const auto still =
      std::count_if(gang.ranks.begin(), gang.ranks.end(), [](const Rank& r) { return r.running; });
  // With the last rank goes what it started itself; as long as it is not reaped, the group's number is still
  // its own.
  if (still == 1) ::kill(-gang.process_group, SIGKILL);
  const int code = try_reap(rank.child.pid);
  if (code < 0) return;
  rank.running = false;
  rank.child.pidfd.reset();
  if (code == 0) return;
  // A rank that a signal killed is the cause; the others' own errors only follow from it.
  const bool worse = code > 128 && !gang.killed && gang.exited.code <= 128;
  if (!gang.failed || worse) gang.exited = {code, index};
  if (!gang.failed && !gang.kill_at) gang.kill_at = clock_.now() + kLastWords;
  gang.failed = true;
}

void LocalLauncher::finish_if_gone(Gang& gang) {
  if (gang.running()) return;
  read_output(gang);  // what was written before the end; a grandchild may keep the pipe open
  if (!gang.partial_line.empty()) take_line(gang, gang.partial_line);
  news_.push({gang.id, gang.exited});
  gang.ranks.clear();
}

}  // namespace

std::unique_ptr<Launcher> make_local_launcher(std::unique_ptr<DeviceWatch> devices) {
  return std::make_unique<LocalLauncher>(std::move(devices));
}

}  // namespace saturn
