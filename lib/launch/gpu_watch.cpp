// SPDX-License-Identifier: Apache-2.0
#include "launch/gpu_watch.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <poll.h>
#include <signal.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/subprocess.h"
#include "base/supervisor.h"
#include "cluster/gpu_health.h"
#include "cluster/nvml.h"

namespace saturn {
namespace {

constexpr std::chrono::seconds kLookEvery{3};
/// A process that hangs in the driver cannot even be killed: it is left to end when it can.
constexpr int kReapMilliseconds = 500;
constexpr size_t kLongestNews = 1 << 20;

class GpuWatch final : public DeviceWatch {
 public:
  GpuWatch(std::vector<std::string> watcher, std::function<void(const std::string&)> warn)
      : watcher_(std::move(watcher)), warn_(std::move(warn)) {}
  ~GpuWatch() override { end(); }

  int descriptor() const override { return output_.get(); }

  void watch(const Cluster& cluster) override {
    end();
    places_.clear();
    text_.clear();
    SpawnSpec spec;
    spec.argv = watcher_;
    for (const Node& node : cluster.nodes) {
      for (const Device& device : node.devices) {
        if (device.uuid.empty()) continue;
        places_[device.uuid] = {node.name, device.index};
        spec.argv.push_back(device.uuid);
      }
    }
    if (places_.empty()) return;
    Pipe output = make_pipe();
    const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    spec.environment = {{kSupervisorVariable, std::to_string(::getpid())}};
    spec.inherit = {{null.get(), 0}, {output.write_end.get(), 1}, {null.get(), 2}};
    child_ = spawn(spec);
    output_ = std::move(output.read_end);
    ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  }

  std::vector<DeviceNews> read() override {
    std::vector<DeviceNews> news;
    char buffer[4096];
    while (output_) {
      const ssize_t n = ::read(output_.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) break;  // nothing more for now
      text_.append(buffer, static_cast<size_t>(n));
      take_lines(news);
      if (n > 0 && text_.size() < kLongestNews) continue;
      end();
      warn_(
          "warning: GPUs that are lost from now on are not noticed: the process that watches them has ended");
    }
    return news;
  }

 private:
  void end() {
    output_.reset();
    if (child_.pid < 0) return;
    ::kill(-child_.pid, SIGKILL);
    pollfd ended{child_.pidfd.get(), POLLIN, 0};
    if (::poll(&ended, 1, kReapMilliseconds) > 0) (void)reap(child_.pid);
    child_ = {};
  }

  void take_lines(std::vector<DeviceNews>& news) {
    for (size_t end = 0; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1)) {
      if (const auto look = parse_look(std::string_view(text_).substr(0, end))) take_look(*look, news);
    }
  }

  void take_look(const std::vector<GpuReading>& look, std::vector<DeviceNews>& news) {
    // What happens to several GPUs of a node at once is one piece of news: the plan is made anew once.
    std::map<std::tuple<std::string, bool, std::string>, std::vector<int>> changed;
    for (const GpuChange& change : history_.add(look)) {
      const auto place = places_.find(change.uuid);
      if (place == places_.end()) continue;
      changed[{place->second.first, change.lost, change.why}].push_back(place->second.second);
    }
    for (const auto& [what, devices] : changed) {
      const auto& [node, lost, why] = what;
      if (lost) news.emplace_back(DevicesLost{node, devices, why});
      if (!lost) news.emplace_back(DevicesBack{node, devices});
    }
    const std::string& blind = history_.blind_because();
    if (!blind.empty() && !std::exchange(warned_, true))
      warn_(fmt::format("warning: GPUs that are lost now are not noticed: {}", blind));
    if (blind.empty()) warned_ = false;
  }

  std::vector<std::string> watcher_;
  std::function<void(const std::string&)> warn_;
  std::map<std::string, std::pair<std::string, int>> places_;  ///< node and device by UUID
  Child child_;
  FileDescriptor output_;
  std::string text_;  ///< of a line that is not whole yet
  GpuHistory history_;
  bool warned_ = false;  ///< that nothing is known
};

/// A number that no GPU has now stays what it is: NVML will not list it as a UUID either.
std::vector<std::string> uuids_of(std::vector<std::string> gpus) {
  const bool all_uuids =
      std::all_of(gpus.begin(), gpus.end(), [](const std::string& gpu) { return gpu.starts_with("GPU-"); });
  if (all_uuids) return gpus;
  for (const Gpu& gpu : read_gpus(nvml_library()).gpus)
    std::replace(gpus.begin(), gpus.end(), std::to_string(gpu.index), gpu.uuid);
  return gpus;
}

}  // namespace

std::unique_ptr<DeviceWatch> make_gpu_watch(const Cluster& cluster, std::vector<std::string> watcher,
                                            std::function<void(const std::string&)> warn) {
  auto watch = std::make_unique<GpuWatch>(std::move(watcher), std::move(warn));
  watch->watch(cluster);
  return watch;
}

int run_gpu_watch(const std::vector<std::string>& gpus) {
  die_with_supervisor();
  const std::vector<std::string> uuids = uuids_of(gpus);
  GpuProbe probe(nvml_library());
  const auto look = [&] {
    std::vector<GpuReading> readings = probe.read(uuids);
    for (size_t i = 0; i < readings.size(); ++i) readings[i].uuid = gpus[i];
    return readings;
  };
  while (write_all(STDOUT_FILENO, to_line(look())) == 0) std::this_thread::sleep_for(kLookEvery);
  return 0;
}

}  // namespace saturn
