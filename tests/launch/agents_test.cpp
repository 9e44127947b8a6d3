// SPDX-License-Identifier: Apache-2.0
// Gangs on several nodes: real agents, one process each on this machine.
#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <map>
#include <signal.h>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/gang_address.h"
#include "base/subprocess.h"
#include "cluster/gpu_health.h"
#include "launch/agent_message.h"
#include "launch/agents_launcher.h"
#include "temporary_directory.h"

namespace saturn::agents_test {
namespace {

constexpr Seconds kLimit{30};  // of every wait

/// Whether the process ends, or has ended, within some seconds.
bool ends(pid_t pid) {
  for (int i = 0; i < 500; ++i) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    if (!(stat >> number >> name >> state) || state == "Z") return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

/// Each with two devices, and on a host of its own.
Cluster nodes(const std::vector<std::string>& names) {
  Cluster cluster;
  for (const std::string& name : names)
    cluster.nodes.push_back({name, "cpu", {{.index = 0}, {.index = 1}}, "host-of-" + name});
  return cluster;
}

template <typename Message>
std::string again(const Message& message, std::optional<Message> (*parse)(std::string_view)) {
  const std::string line = to_line(message);
  REQUIRE(line.ends_with('\n'));
  CHECK(line.find('\n') == line.size() - 1);
  const auto read = parse(line.substr(0, line.size() - 1));
  REQUIRE(read.has_value());
  CHECK(to_line(*read) == line);
  return line;
}

TEST_CASE("what supervisor and agent say to each other reads back the same") {
  GangSpec spec{.name = "a",
                .node = "n1",
                .job = {},
                .ranks = {{"x", "a\nb"}, {"y"}},
                .ahead = true,
                .log = "/l",
                .environment = {{"A", "1"}}};
  for (const AgentOrder& order : std::vector<AgentOrder>{
           StartOrder{3, spec}, StartOrder{3, spec, true}, AdmitOrder{3}, ReleaseOrder{4},
           StopOrder{3, Seconds(2.5)}, KillOrder{3}, Ping{Seconds(15)}, WatchOrder{nodes({"n1"}).nodes[0]}})
    again(order, parse_agent_order);
  for (const AgentReport& report : std::vector<AgentReport>{
           AgentUp{"host", "1.0"}, AgentUp{"host", "1.0", {"/a"}}, AgentAlive{}, GangReport{3, Ready{7, 0.5}},
           GangReport{3, Failed{Failed::Reason::kOutOfMemory, "no \"memory\"\nat all"}},
           GangListens{3, "17 token n1"}, GangGone{3, {137, 2}, ""}, GangGone{4, {1, 0}, "cannot start"},
           DevicesLost{"n1", {0, 2}, "off the bus"}, DevicesBack{"n1", {1}}})
    again(report, parse_agent_report);
}

TEST_CASE("a line that is none of theirs is passed over") {
  for (const char* line :
       {"", "{", "[]", "{}", "srun: job 7 queued", R"({"order":"start","gang":1})",
        R"({"order":"dance","gang":1})", R"({"order":"watch","cluster":{}})",
        R"({"order":"watch","cluster":{"nodes":[{"name":1}]}})",
        R"({"report":"event","gang":1,"line":"hello"})", R"({"report":"gone","gang":"x"})"}) {
    CHECK_FALSE(parse_agent_order(line));
    CHECK_FALSE(parse_agent_report(line));
  }
}

struct Fixture {
  test::TemporaryDirectory directory;
  std::unique_ptr<Launcher> launcher;
  std::string version = "1";

  void start_nodes(AgentTimes times = {.ping = Seconds(0.1),
                                       .limit = Seconds(2),
                                       .come_up = Seconds(20),
                                       .retry = Seconds(0.3)}) {
    launcher = make_agents_launcher(
        nodes({"n0", "n1"}), [this](const Node& node) { return command_for(node); }, times, version);
  }
  /// The shell writes down who it is, and becomes the agent. Looks at GPUs are read from HOST.gpus.
  AgentCommand command_for(const Node& node) const {
    const std::string script =
        fmt::format("echo $$ > {}; exec {} 1 '' {}", (directory / (node.name + ".pid")).string(),
                    SATURN_AGENT, (directory / (node.host + ".gpus")).string());
    return {{"/bin/sh", "-c", script}, directory / (node.name + ".log")};
  }
  GangSpec gang(const std::string& node, const std::vector<std::string>& scripts) const {
    GangSpec spec{
        .name = "task", .node = node, .job = {}, .ranks = {}, .log = directory / "log", .environment = {}};
    // As saturn-worker does, a rank dies with who started it.
    for (const std::string& script : scripts)
      spec.ranks.push_back({"setpriv", "--pdeathsig", "KILL", "/bin/sh", "-c", script});
    return spec;
  }
  /// One rank on n0, where it listens, and two on n1.
  GangSpec wide_gang(const std::vector<std::string>& scripts) const {
    GangSpec spec = gang("n0", scripts);
    spec.job.nodes = {{"n0", 1}, {"n1", 2}};
    return spec;
  }
  pid_t agent_of(const std::string& node) const { return std::stoi(read_file(directory / (node + ".pid"))); }
  std::string log() const { return read_file(directory / "log"); }

  /// The next news in a few words.
  std::string next() {
    const auto news = launcher->wait(kLimit);
    if (!news) return "nothing";
    if (const auto* lost = std::get_if<DevicesLost>(&news->what))
      return fmt::format("lost {} {}: {}", lost->node, fmt::join(lost->devices, ","), lost->why);
    if (const auto* back = std::get_if<DevicesBack>(&news->what))
      return fmt::format("back {} {}", back->node, fmt::join(back->devices, ","));
    if (const auto* exited = std::get_if<GangExited>(&news->what))
      return fmt::format("{} exit {} of rank {}", news->gang, exited->code, exited->rank);
    const std::string line = to_line(std::get<Event>(news->what));
    return fmt::format("{} {}", news->gang, line.substr(10, line.find('"', 10) - 10));
  }
};

constexpr const char* kReady = R"(echo '{"event":"ready","step":0,"startup_seconds":0}'; )";
constexpr const char* kStopped = R"(echo '{"event":"stopped","step":3}'; )";

TEST_CASE_FIXTURE(Fixture, "gangs run where they were ordered to, and are heard of") {
  start_nodes();
  const std::string script = std::string(kReady) + "read word; test \"$word\" = go && " + kStopped;
  CHECK(launcher->start(gang("n0", {script, "echo rank one"})) == 0);
  CHECK(next() == "0 ready");
  launcher->release(0);
  CHECK(next() == "0 stopped");
  CHECK(next() == "0 exit 0 of rank 0");
  CHECK(log() == "rank one\n");
  CHECK(launcher->start(gang("n1", {"exit 3"})) == 1);
  CHECK(next() == "1 exit 3 of rank 0");
}

TEST_CASE_FIXTURE(Fixture,
                  "a gang waits at its gate, stops when it is asked to, and is killed when it does not") {
  start_nodes();
  GangSpec ahead = gang("n0", {"head -c 1 /proc/self/fd/$0 | wc -c"});
  ahead.ranks[0].push_back("{gate}");
  ahead.ahead = true;
  launcher->start(ahead);
  CHECK_FALSE(launcher->wait(Seconds(0.3)));
  launcher->admit(0);
  CHECK(next() == "0 exit 0 of rank 0");
  CHECK(log() == "1\n");
  launcher->start(
      gang("n1", {std::string("trap 'exit 5' TERM; ") + kReady + "while true; do sleep 0.01; done"}));
  CHECK(next() == "1 ready");
  launcher->stop(1, Seconds(20));
  CHECK(next() == "1 exit 5 of rank 0");
  launcher->start(gang("n1", {std::string("trap '' TERM; ") + kReady + "while true; do sleep 0.01; done"}));
  CHECK(next() == "2 ready");
  launcher->stop(2, Seconds(0.1));
  CHECK(next() == "2 exit 137 of rank 0");
}

constexpr const char* kLoop = "while true; do sleep 0.01; done";

TEST_CASE_FIXTURE(Fixture, "a gang lies on two nodes: its ranks know where the first listens") {
  start_nodes();
  // The first rank has the socket; the others know its port.
  const std::string first = std::string("test -S /proc/self/fd/$0 || exit 9; ") + kReady +
                            "read word; test \"$word\" = go && echo \"$SATURN_GANG_ADDRESS\" >&2; " +
                            kStopped;
  GangSpec spec = wide_gang({first, "echo rank one $SATURN_GANG_ADDRESS",
                             "sleep 0.2; echo rank two $SATURN_GANG_ADDRESS; test ! -e /proc/self/fd/5"});
  spec.ranks[0].push_back("{listener}");
  launcher->start(spec);
  CHECK(next() == "0 ready");
  launcher->release(0);
  CHECK(next() == "0 stopped");
  CHECK(next() == "0 exit 0 of rank 0");
  const std::string address = log();
  CHECK(parse_gang_address(address.substr(0, address.size() - 1)));
  CHECK(read_file(directory / "log.n1") == "rank one " + address + "rank two " + address);
}

TEST_CASE_FIXTURE(Fixture, "all parts of a gang wait at the gate, hear a stop and a kill") {
  start_nodes();
  const std::string waits = "head -c 1 /proc/self/fd/$0 | wc -c >&2";
  GangSpec ahead = wide_gang({waits, waits, waits});
  for (auto& rank : ahead.ranks) rank.push_back("{gate}");
  ahead.ahead = true;
  launcher->start(ahead);
  launcher->admit(0);  // the second node has not even been asked
  CHECK(next() == "0 exit 0 of rank 0");
  CHECK(log() == "1\n");
  CHECK(read_file(directory / "log.n1") == "1\n1\n");

  const std::string obeys = std::string("trap 'exit 0' TERM; ") + kLoop;
  const std::string refuses = std::string("trap '' TERM; ") + kLoop;
  const auto come_up = [&](const std::string& last) {
    const std::string file = (directory / "up").string();
    std::filesystem::remove(file);
    launcher->start(wide_gang({std::string(kReady) + obeys, obeys, "touch " + file + "; " + last}));
    const std::string said = next();
    for (int i = 0; i < 500 && !std::filesystem::exists(file); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the traps
    return said;
  };
  CHECK(come_up(obeys) == "1 ready");
  launcher->stop(1, Seconds(20));
  CHECK(next() == "1 exit 0 of rank 0");
  CHECK(come_up(refuses) == "2 ready");
  launcher->stop(2, Seconds(0.3));
  CHECK(next() == "2 exit 137 of rank 2");
  CHECK(come_up(refuses) == "3 ready");
  launcher->kill(3);
  CHECK(next().starts_with("3 exit 137 of rank "));
}

TEST_CASE_FIXTURE(Fixture, "a part of a gang that fails takes the others with it, and is named") {
  start_nodes();
  launcher->start(wide_gang({std::string(kReady) + kLoop, kLoop, "sleep 0.3; kill -9 $$"}));
  CHECK(next() == "0 ready");
  CHECK(next() == "0 exit 137 of rank 2");
  launcher->start(wide_gang({std::string(kReady) + "sleep 0.3; exit 4", kLoop, kLoop}));
  CHECK(next() == "1 ready");
  CHECK(next() == "1 exit 4 of rank 0");
  GangSpec spec = wide_gang({kLoop, "true", "true"});
  spec.ranks[1] = {"/nowhere/saturn-worker"};
  launcher->start(spec);
  CHECK(next() == "2 failed");
  CHECK(next() == "2 exit 1 of rank 1");
}

TEST_CASE_FIXTURE(Fixture, "a node that is lost in the middle takes the rest of a gang with it") {
  start_nodes();
  const std::string pid = (directory / "rank.pid").string();
  launcher->start(
      wide_gang({fmt::format("echo $$ > {}; {} exec sleep 100", pid, kReady), "sleep 100", "sleep 100"}));
  CHECK(next() == "0 ready");
  const pid_t rank = std::stoi(read_file(pid));
  ::kill(agent_of("n1"), SIGKILL);
  CHECK(next() == "lost n1 0,1: its agent has ended");
  CHECK(next() == "0 exit 137 of rank 1");
  CHECK(ends(rank));
  CHECK_THROWS_WITH_AS(launcher->start(wide_gang({"true", "true", "true"})),
                       "cannot start task: node n1 is lost: its agent has ended", SystemError);
  GangSpec spec = wide_gang({"true", "true"});
  CHECK_THROWS_WITH_AS(launcher->start(spec), "cannot start task: its ranks are not those of its nodes",
                       SystemError);
}

TEST_CASE_FIXTURE(Fixture, "what cannot be started on its node is told as a failed gang") {
  start_nodes();
  GangSpec spec = gang("n1", {});
  spec.ranks = {{"/nowhere/saturn-worker"}};
  launcher->start(spec);
  CHECK(next() == "0 failed");
  CHECK(next() == "0 exit 1 of rank 0");
  CHECK_THROWS_WITH_AS(launcher->start(gang("n7", {"true"})), "cannot start task: there is no node n7",
                       SystemError);
}

TEST_CASE_FIXTURE(Fixture, "a node whose agent is killed is lost with its gangs, and comes back") {
  start_nodes();
  const std::string pid = (directory / "rank.pid").string();
  launcher->start(gang("n0", {fmt::format("echo $$ > {}; {} exec sleep 100", pid, kReady)}));
  CHECK(next() == "0 ready");
  const pid_t rank = std::stoi(read_file(pid));
  ::kill(agent_of("n0"), SIGKILL);
  CHECK(next() == "lost n0 0,1: its agent has ended");
  CHECK(next() == "0 exit 137 of rank 0");
  CHECK(ends(rank));
  CHECK_THROWS_WITH_AS(launcher->start(gang("n0", {"true"})),
                       "cannot start task: node n0 is lost: its agent has ended", SystemError);
  CHECK(next() == "back n0 0,1");
  launcher->start(gang("n0", {"exit 4"}));
  CHECK(next() == "1 exit 4 of rank 0");
}

TEST_CASE_FIXTURE(Fixture, "a node that falls silent is lost, and its gangs have ended by then") {
  start_nodes();
  const std::string pid = (directory / "rank.pid").string();
  launcher->start(gang("n1", {fmt::format("echo $$ > {}; {} exec sleep 100", pid, kReady)}));
  CHECK(next() == "0 ready");
  const pid_t rank = std::stoi(read_file(pid));
  ::kill(agent_of("n1"), SIGSTOP);
  CHECK(next() == "lost n1 0,1: not heard of for 2 s");
  CHECK(next() == "0 exit 137 of rank 0");
  CHECK(ends(rank));  // the agent is killed when it is given up, and its gangs with it
}

TEST_CASE_FIXTURE(Fixture, "an agent that hears nothing any more kills its gangs and leaves") {
  Pipe orders = make_pipe(), reports = make_pipe();
  SpawnSpec spec;
  spec.argv = {SATURN_AGENT, "1"};
  spec.inherit = {{orders.read_end.get(), 0}, {reports.write_end.get(), 1}};
  const Child agent = spawn(spec);
  const std::string pid = (directory / "rank.pid").string();
  const StartOrder start{0, gang("n0", {fmt::format("echo $$ > {}; exec sleep 100", pid)})};
  REQUIRE(write_all(orders.write_end.get(),
                    to_line(AgentOrder(Ping{Seconds(0.5)})) + to_line(AgentOrder(start))) == 0);
  CHECK(reap(agent.pid) == 1);  // though its input is still open
  CHECK(ends(std::stoi(read_file(pid))));
}

TEST_CASE_FIXTURE(Fixture, "an agent of another version is not used") {
  version = "2";
  start_nodes({.ping = Seconds(0.1), .limit = Seconds(2), .come_up = Seconds(20), .retry = Seconds(100)});
  const std::string first = next(), second = next();
  CHECK(first.find(" has saturn 1, this is 2") != std::string::npos);
  CHECK(second.starts_with("lost n"));
}

TEST_CASE_FIXTURE(Fixture, "a node that does not see what gangs read is not used") {
  const std::string needs = directory / "needs";
  write_file_atomically(needs, directory.path().string() + "\n/no/such/data\n");
  const auto start = [&](const std::string& file) {
    const AgentCommand command{{SATURN_AGENT, "1", file}, directory / "agent.log"};
    launcher = make_agents_launcher(
        nodes({"n0"}), [&](const Node&) { return command; }, {.retry = Seconds(100)}, "1");
  };
  start(needs);
  CHECK(next().find(" does not see /no/such/data: what tasks read, and the run directory, must lie where all "
                    "nodes see them") != std::string::npos);
  start("/no/such/run/agents/needs");
  CHECK(next().find(" does not see /no/such/run/agents/needs: ") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a command that ends without an agent says why") {
  const std::map<std::string, std::vector<std::string>> commands{
      {"n0", {"/bin/sh", "-c", "echo 'srun: error: no such node' >&2; exit 1"}}, {"n1", {"/nowhere/srun"}}};
  launcher = make_agents_launcher(
      nodes({"n0", "n1"}),
      [&](const Node& node) {
        return AgentCommand{commands.at(node.name), directory / "agent.log"};
      },
      {.retry = Seconds(100)}, "1");
  std::vector<std::string> said{next(), next()};
  std::sort(said.begin(), said.end());
  CHECK(said[0] == "lost n0 0,1: its agent has ended: srun: error: no such node");
  CHECK(said[1].starts_with("lost n1 0,1: cannot start /nowhere/srun"));
}

TEST_CASE_FIXTURE(Fixture, "an agent comes with a node that is new, and goes with one that is left") {
  start_nodes();
  launcher->start(gang("n1", {std::string(kReady) + "read word; exit 4"}));
  CHECK(next() == "0 ready");
  const pid_t left = agent_of("n1");
  launcher->watch_devices(nodes({"n0", "n2"}));
  launcher->start(gang("n2", {"exit 5"}));
  CHECK(next() == "1 exit 5 of rank 0");
  launcher->release(0);  // what runs on the node that is left is not touched
  CHECK(next() == "0 exit 4 of rank 0");
  CHECK_FALSE(launcher->wait(Seconds(0.2)));
  CHECK(ends(left));
  CHECK_THROWS_WITH_AS(launcher->start(gang("n1", {"true"})), "cannot start task: there is no node n1",
                       SystemError);
  launcher->watch_devices(nodes({"n0", "n1"}));
  launcher->start(gang("n1", {"exit 6"}));
  CHECK(next() == "2 exit 6 of rank 0");
}

TEST_CASE_FIXTURE(Fixture, "a gang one of whose nodes is taken out while it comes up ends") {
  start_nodes();
  launcher->start(wide_gang({std::string(kReady) + kLoop, kLoop, kLoop}));
  launcher->watch_devices(nodes({"n0"}));
  std::string said = next();
  if (said == "0 ready") said = next();
  CHECK(said == "0 exit 137 of rank 0");
}

TEST_CASE_FIXTURE(Fixture, "a node that is another machine from now on is lost, and back at once") {
  start_nodes();
  launcher->start(gang("n1", {std::string(kReady) + "exec sleep 100"}));
  CHECK(next() == "0 ready");
  const pid_t before = agent_of("n1");
  Cluster moved = nodes({"n0", "n1"});
  moved.nodes[1].host = "another";
  launcher->watch_devices(moved);
  CHECK(ends(before));
  CHECK(next() == "lost n1 0,1: another machine takes its place");
  CHECK(next() == "0 exit 137 of rank 0");
  CHECK(next() == "back n1 0,1");
}

TEST_CASE_FIXTURE(Fixture, "a node that is lost is lost with the devices that are taken in later") {
  start_nodes({.ping = Seconds(0.1), .limit = Seconds(2), .come_up = Seconds(20), .retry = Seconds(100)});
  launcher->start(gang("n1", {std::string(kReady) + "exec sleep 100"}));
  CHECK(next() == "0 ready");
  ::kill(agent_of("n1"), SIGKILL);
  CHECK(next() == "lost n1 0,1: its agent has ended");
  CHECK(next() == "0 exit 137 of rank 0");
  Cluster larger = nodes({"n0", "n1"});
  launcher->watch_devices(larger);
  CHECK_FALSE(launcher->wait(Seconds(0.2)));
  for (Node& node : larger.nodes) node.devices.push_back({.index = 2});
  launcher->watch_devices(larger);
  CHECK(next() == "lost n1 0,1,2: its agent has ended");
}

TEST_CASE_FIXTURE(Fixture, "what becomes of a node's GPUs is heard of from its agent") {
  Cluster gpus = nodes({"n0"});
  gpus.nodes[0].kind = "h100";
  gpus.nodes[0].devices = {{.index = 0, .ordinal = 1}, {.index = 1, .ordinal = 3}};
  const auto looks = [&](const std::string& text) {
    write_file_atomically(directory / "host-of-n0.gpus", text);
  };
  const auto look = [](GpuHealth third) {
    return to_line({{"GPU-1", GpuHealth::kWell, ""}, {"7", third, "fell off the bus"}});
  };
  looks(look(GpuHealth::kWell));
  ::setenv("CUDA_VISIBLE_DEVICES", "4,GPU-1,5,7", 1);
  launcher = make_agents_launcher(
      gpus, [this](const Node& node) { return command_for(node); }, {}, version);
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  CHECK_FALSE(launcher->wait(Seconds(0.5)));
  looks(look(GpuHealth::kLost));
  CHECK(next() == "lost n0 1: fell off the bus");
  looks(look(GpuHealth::kWell));
  CHECK(next() == "back n0 1");
  CHECK(read_file(directory / "asked") == "GPU-1 7\n");
}

TEST_CASE_FIXTURE(Fixture, "the launcher's end is the end of its agents") {
  start_nodes();
  launcher->start(gang("n0", {std::string(kReady) + "exec sleep 100"}));
  CHECK(next() == "0 ready");
  const pid_t agent = agent_of("n0");
  launcher.reset();
  CHECK(ends(agent));
}

}  // namespace
}  // namespace saturn::agents_test
