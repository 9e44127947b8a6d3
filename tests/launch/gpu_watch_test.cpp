// SPDX-License-Identifier: Apache-2.0
#include "launch/gpu_watch.h"

#include <doctest/doctest.h>
#include <fstream>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cluster/gpu_health.h"
#include "launch/launcher.h"
#include "temporary_directory.h"

namespace saturn::gpu_watch_test {
namespace {

constexpr Seconds kLimit{20};

Device gpu(int index, const std::string& uuid) {
  return {.index = index, .cores = {}, .memory_bytes = 0, .uuid = uuid, .name = ""};
}

/// "wll": how GPU-a, GPU-b and GPU-c are, as a line.
std::string line(const std::string& letters) {
  std::vector<GpuReading> look;
  for (size_t i = 0; i < letters.size(); ++i) {
    const char letter = letters[i];
    look.push_back({std::string("GPU-") + static_cast<char>('a' + i),
                    letter == 'w'   ? GpuHealth::kWell
                    : letter == 'l' ? GpuHealth::kLost
                                    : GpuHealth::kUnknown,
                    letter == 'w' ? "" : "trouble"});
  }
  return to_line(look);
}

struct Fixture {
  test::TemporaryDirectory directory;
  Cluster cluster{{{"left", "l4", {gpu(0, "GPU-a"), gpu(1, "GPU-b")}},
                   {"right", "l4", {gpu(0, "GPU-c")}},
                   {"slots", "cpu", {gpu(0, "")}}}};
  std::vector<std::string> warnings;

  /// A launcher whose watcher is this script; in it $looks is a file of those looks.
  std::unique_ptr<Launcher> watched_by(const std::string& script,
                                       const std::vector<std::string>& looks = {}) {
    std::ofstream file(directory / "looks");
    for (const std::string& letters : looks) file << line(letters);
    file.close();
    return make_local_launcher(make_gpu_watch(
        cluster, {"/bin/sh", "-c", "looks='" + (directory / "looks").string() + "'; " + script, "watcher"},
        [this](const std::string& text) { warnings.push_back(text); }));
  }
  /// The next `count` pieces of news, a line each.
  static std::string story(Launcher& launcher, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      const auto news = launcher.wait(kLimit);
      if (!news) return text + "nothing more";
      CHECK(news->gang == kNoGang);
      const auto* lost = std::get_if<DevicesLost>(&news->what);
      const auto* back = std::get_if<DevicesBack>(&news->what);
      REQUIRE((lost != nullptr || back != nullptr));
      text += lost != nullptr ? "lost " + lost->node : "back " + back->node;
      for (const int device : lost != nullptr ? lost->devices : back->devices)
        text += " " + std::to_string(device);
      text += lost != nullptr ? ": " + lost->why + "\n" : "\n";
    }
    return text;
  }
  pid_t watcher() const { return static_cast<pid_t>(std::stol(read_file(directory / "pid"))); }
};

constexpr const char* kTellPid =
    "echo $$ > ${looks%looks}pid.new; mv ${looks%looks}pid.new ${looks%looks}pid; ";

TEST_CASE_FIXTURE(Fixture, "what becomes of GPUs comes as news of the launcher, by node") {
  const auto launcher =
      watched_by("cat $looks; exec sleep 300", {"www", "lll", "lll", "wll", "wll", "www", "www"});
  CHECK(story(*launcher, 5) ==
        "lost left 0 1: trouble\nlost right 0: trouble\nback left 0\nback left 1\nback right 0\n");
  CHECK(warnings.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "the watcher is told the GPUs, and its lines may come in pieces, with others between") {
  const auto launcher = watched_by(
      "for uuid; do echo \"$uuid\"; done > ${looks%looks}uuids; echo noise; cat $looks; "
      "sed -n 2p $looks | head -c 30; sleep 0.1; sed -n 2p $looks | tail -c +31; exec sleep 300",
      {"www", "wlw"});
  CHECK(story(*launcher, 1) == "lost left 1: trouble\n");
  CHECK(read_file(directory / "uuids") == "GPU-a\nGPU-b\nGPU-c\n");
}

TEST_CASE_FIXTURE(Fixture, "a driver that does not work is warned of once, until it works again") {
  const auto launcher =
      watched_by("cat $looks; exec sleep 300", {"www", "???", "???", "www", "???", "wlw", "wlw"});
  CHECK(story(*launcher, 1) == "lost left 1: trouble\n");
  CHECK(warnings == std::vector<std::string>(2, "warning: GPUs that are lost now are not noticed: trouble"));
}

TEST_CASE_FIXTURE(Fixture, "a watcher that ends is warned of, and gangs run as ever") {
  const auto launcher = watched_by("exit 1");
  GangSpec spec{.name = "task",
                .node = "left",
                .ranks = {{"/bin/sh", "-c", "sleep 0.5"}},
                .log = directory / "log",
                .environment = {}};
  const GangId id = launcher->start(spec);
  const auto news = launcher->wait(kLimit);
  REQUIRE(news);
  CHECK(news->gang == id);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings.front().ends_with("the process that watches them has ended"));
}

TEST_CASE_FIXTURE(Fixture, "a watcher that hangs holds up nothing, and does not outlive the launcher") {
  auto launcher =
      watched_by(std::string("trap '' TERM; ") + kTellPid + "sed -n 1p $looks; sleep 300", {"www"});
  const SteadyClock clock;
  const Seconds began = clock.now();
  while (!std::filesystem::exists(directory / "pid") && clock.now() < began + kLimit)
    (void)launcher->wait(Seconds(0.05));
  CHECK(!launcher->wait(Seconds(0.1)));
  const Seconds before_the_end = clock.now();
  launcher.reset();
  CHECK(clock.now() - before_the_end < Seconds(5));
  CHECK(::kill(watcher(), 0) != 0);
}

TEST_CASE_FIXTURE(Fixture, "the devices that it hears of may change; without GPUs there is no process") {
  const auto launcher =
      watched_by("echo \"$@\" >> ${looks%looks}uuids; cat $looks; exec sleep 300", {"lll", "lll"});
  CHECK(story(*launcher, 2) == "lost left 0 1: trouble\nlost right 0: trouble\n");
  launcher->watch_devices({{{"slots", "cpu", {gpu(0, "")}}}});
  CHECK(!launcher->wait(Seconds(0.2)));
  std::ofstream(directory / "looks") << line("www") << line("www");
  launcher->watch_devices({{{"other", "l4", {gpu(7, "GPU-b")}}}});
  CHECK(story(*launcher, 1) == "back other 7\n");
  CHECK(read_file(directory / "uuids") == "GPU-a GPU-b GPU-c\nGPU-b\n");
}

TEST_CASE_FIXTURE(Fixture, "a watcher that cannot be started is an error") {
  CHECK_THROWS_AS(make_gpu_watch(cluster, {"/no/such/program"}, [](const std::string&) {}), SystemError);
}

}  // namespace
}  // namespace saturn::gpu_watch_test
