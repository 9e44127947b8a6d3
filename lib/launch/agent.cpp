// SPDX-License-Identifier: Apache-2.0
#include "launch/agent.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/gang_address.h"
#include "base/host.h"
#include "base/socket.h"
#include "launch/agent_message.h"
#include "launch/launcher.h"

namespace saturn {
namespace {

/// Before the first Ping.
constexpr Seconds kFirstLimit{60};

constexpr size_t kMostMissing = 3;

/// Of the paths in that file those that this machine does not see; itself, if it is that.
std::vector<std::string> missing_of(const std::filesystem::path& needs) {
  if (needs.empty()) return {};
  std::ifstream file(needs);
  if (!file) return {needs.string()};
  std::vector<std::string> missing;
  std::error_code ignored;
  for (std::string path; missing.size() < kMostMissing && std::getline(file, path);)
    if (!std::filesystem::exists(path, ignored)) missing.push_back(path);
  return missing;
}

/// Places among what Slurm has given this step become numbers or UUIDs of GPUs. Parts of GPUs are left out:
/// NVML does not list them among the GPUs.
Node as_nvml_knows_it(Node node) {
  settle(node.devices, node.kind, {}, std::getenv("CUDA_VISIBLE_DEVICES"));
  std::erase_if(node.devices, [](const Device& device) { return device.uuid.starts_with("MIG-"); });
  return node;
}

/// The lines that come in, read by a thread of its own, which wakes the launcher for each.
class Orders {
 public:
  Orders(int input, Launcher& launcher)
      : input_(input),
        launcher_(launcher),
        stop_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this] { read_all(); }) {
    if (!stop_) throw SystemError("create", "an event descriptor", errno, "raise the limit on open files");
  }
  ~Orders() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(stop_.get(), &one, sizeof one);
    thread_.join();
  }
  Orders(const Orders&) = delete;
  Orders& operator=(const Orders&) = delete;

  std::deque<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }
  bool ended() const { return ended_; }

 private:
  void read_all() {
    std::array<char, 65536> buffer{};
    std::string partial;
    pollfd polled[] = {{input_, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    while (true) {
      if (::poll(polled, 2, -1) < 0 && errno != EINTR) break;
      if (polled[1].revents != 0) break;
      if (polled[0].revents == 0) continue;
      const ssize_t n = ::read(input_, buffer.data(), buffer.size());
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n <= 0) break;
      partial.append(buffer.data(), static_cast<size_t>(n));
      add_lines(partial);
      launcher_.wake();
    }
    ended_ = true;
    launcher_.wake();
  }
  void add_lines(std::string& partial) {
    const std::lock_guard lock(mutex_);
    size_t begin = 0;
    for (size_t end = 0; (end = partial.find('\n', begin)) != std::string::npos; begin = end + 1)
      lines_.push_back(partial.substr(begin, end - begin));
    partial.erase(0, begin);
  }

  const int input_;
  Launcher& launcher_;
  FileDescriptor stop_;
  std::atomic<bool> ended_{false};
  std::mutex mutex_;
  std::deque<std::string> lines_;
  std::thread thread_;  // last: it uses the others
};

class Agent {
 public:
  Agent(Launcher& launcher, int output) : launcher_(launcher), output_(output) {}

  /// Whether the supervisor still hears it.
  bool report(const AgentReport& report) const { return write_all(output_, to_line(report)) == 0; }

  void obey(const AgentOrder& order) {
    std::visit([&](const auto& what) { act(what); }, order);
  }
  bool tell(const GangNews& news) {
    if (const auto* lost = std::get_if<DevicesLost>(&news.what)) return report(*lost);
    if (const auto* back = std::get_if<DevicesBack>(&news.what)) return report(*back);
    const auto found = theirs_.find(news.gang);
    if (found == theirs_.end()) return true;
    const GangId gang = found->second;
    if (const auto* event = std::get_if<Event>(&news.what)) return report(GangReport{gang, *event});
    const auto* exited = std::get_if<GangExited>(&news.what);
    if (exited == nullptr) return true;
    theirs_.erase(found);
    ours_.erase(gang);
    return report(GangGone{gang, *exited, ""});
  }
  Seconds limit() const { return limit_; }

 private:
  void act(const StartOrder& order) {
    try {
      const GangId id = order.listens ? start_listening(order) : launcher_.start(order.spec);
      ours_[order.gang] = id;
      theirs_[id] = order.gang;
    } catch (const SystemError& error) {
      report(GangGone{order.gang, {1, 0}, error.what()});
    }
  }
  GangId start_listening(const StartOrder& order) {
    const FileDescriptor listener = listen_at_any_port();
    const std::string address = to_text(make_gang_address(listener.get()));
    GangSpec spec = order.spec;
    spec.listener = listener.get();
    spec.environment.emplace_back(kGangAddressVariable, address);
    const GangId id = launcher_.start(spec);
    report(GangListens{order.gang, address});
    return id;
  }
  void act(const Ping& ping) {
    limit_ = ping.limit;
    report(AgentAlive{});
  }
  void act(const WatchOrder& order) {
    try {
      launcher_.watch_devices({{as_nvml_knows_it(order.node)}});
    } catch (const SystemError& error) {
      std::fprintf(stderr, "GPUs that are lost are not noticed: %s\n", error.what());
    }
  }
  void act(const AdmitOrder& order) {
    if (const auto id = ours(order.gang)) launcher_.admit(*id);
  }
  void act(const ReleaseOrder& order) {
    if (const auto id = ours(order.gang)) launcher_.release(*id);
  }
  void act(const StopOrder& order) {
    if (const auto id = ours(order.gang)) launcher_.stop(*id, order.grace);
  }
  void act(const KillOrder& order) {
    if (const auto id = ours(order.gang)) launcher_.kill(*id);
  }
  std::optional<GangId> ours(GangId theirs) const {
    const auto found = ours_.find(theirs);
    return found == ours_.end() ? std::nullopt : std::optional(found->second);
  }

  Launcher& launcher_;
  int output_;
  Seconds limit_ = kFirstLimit;
  std::map<GangId, GangId> ours_;    ///< by the supervisor's number
  std::map<GangId, GangId> theirs_;  ///< the other way round
};

}  // namespace

int run_agent(int input, int output, const std::string& version, const std::filesystem::path& needs,
              std::unique_ptr<DeviceWatch> gpus) {
  const std::unique_ptr<Launcher> launcher = make_local_launcher(std::move(gpus));
  Agent agent(*launcher, output);
  Orders orders(input, *launcher);
  const SteadyClock clock;
  Seconds heard = clock.now();
  const AgentUp up{host_name(), version, missing_of(needs)};
  bool is_heard = agent.report(up) && up.missing.empty();  // else no gang is started here
  while (is_heard && !orders.ended() && clock.now() - heard < agent.limit()) {
    if (const auto news = launcher->wait(std::min(Seconds(1), agent.limit()))) is_heard = agent.tell(*news);
    for (const std::string& line : orders.take()) {
      heard = clock.now();
      if (const auto order = parse_agent_order(line)) agent.obey(*order);
    }
  }
  return orders.ended() ? 0 : 1;
}

}  // namespace saturn
