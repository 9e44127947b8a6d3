// SPDX-License-Identifier: Apache-2.0
#include "launch/agents_launcher.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <poll.h>
#include <set>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/gang_address.h"
#include "base/subprocess.h"
#include "launch/agent_message.h"
#include "launch/log_file.h"
#include "launch/news_queue.h"

namespace saturn {
namespace {

constexpr int kKilled = 128 + SIGKILL;
constexpr Seconds kLongestEnd{10};
/// After one part of a gang has failed its others get this long to say why and leave; then they are killed.
constexpr Seconds kLastWords{5};
/// What an agent has not read yet. More means that it does not read at all.
constexpr size_t kMostUnread = 1 << 24;

struct Agent {
  Node node;  ///< with the devices that are used now
  AgentCommand command;
  Child child;
  FileDescriptor input;         ///< of the child
  FileDescriptor output;        ///< of the child
  std::uintmax_t log_size = 0;  ///< when it was started
  std::string unsent;
  std::string partial_line;
  std::set<GangId> gangs;
  Seconds heard{0};   ///< or started, if later
  Seconds pinged{0};  ///< last
  Seconds ended{0};   ///< lost: when it was found to be
  bool up = false;    ///< it has said its first word
  bool lost = false;
  std::string why;  ///< it has gone wrong

  bool is_unused() const { return node.devices.empty() && gangs.empty(); }
};

/// The ranks of a gang that one node has.
struct Part {
  std::string node;
  int first_rank = 0;
  int ranks = 0;
  enum class State { kDue, kRunning, kGone } state = State::kDue;
};

struct Gang {
  std::vector<Part> parts;
  GangSpec spec{};  ///< until the parts behind the first are started: they need to know where that listens
  bool admitted = false;
  GangExited exited{};
  bool failed = false;
  bool killed = false;  ///< by this launcher: its signals say nothing about the cause
  std::optional<Seconds> kill_at{};

  bool is_gone() const {
    return std::all_of(parts.begin(), parts.end(),
                       [](const Part& p) { return p.state == Part::State::kGone; });
  }
};

/// The parts of a gang; one where its job does not say otherwise.
std::vector<Part> parts_of(const GangSpec& spec) {
  const int ranks = static_cast<int>(spec.ranks.size());
  if (!spec.job.spans_nodes()) return {{spec.node, 0, ranks}};
  std::vector<Part> parts;
  int first = 0;
  for (const NodeShare& share : spec.job.nodes) {
    parts.push_back({share.node, first, share.ranks});
    first += share.ranks;
  }
  if (first != ranks || parts.front().node != spec.node)
    throw SystemError("start", spec.name, "its ranks are not those of its nodes");
  return parts;
}

std::uintmax_t size_of(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

std::vector<int> indices_of(const Node& node) {
  std::vector<int> indices;
  for (const Device& device : node.devices) indices.push_back(device.index);
  return indices;
}

/// What srun says, for example.
std::string last_words(const Agent& agent) {
  if (size_of(agent.command.log) == agent.log_size) return "";
  std::string text = tail_of_file(agent.command.log, 1);
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? "" : ": " + text;
}

class AgentsLauncher final : public Launcher {
 public:
  AgentsLauncher(const Cluster& cluster, std::function<AgentCommand(const Node&)> command_for,
                 AgentTimes times, std::string version)
      : command_for_(std::move(command_for)), times_(times), version_(std::move(version)) {
    ::signal(SIGPIPE, SIG_IGN);
    watch_devices(cluster);
  }
  ~AgentsLauncher() override;

  GangId start(const GangSpec& spec) override;
  void admit(GangId gang) override;
  void release(GangId gang) override;
  void stop(GangId gang, Seconds grace) override;
  void kill(GangId gang) override;
  std::optional<GangNews> wait(Seconds timeout) override;
  void watch_devices(const Cluster& cluster) override;
  void wake() override { news_.wake(); }

 private:
  void use(const Node& node);
  void begin(Agent& agent);
  void start_part(GangId id, const GangSpec& spec, Part& part, const std::string& address);
  void start_rest(GangId id, const std::string& address);
  void give_up_rest(Gang& gang);
  void order_all(const Gang& gang, const AgentOrder& order);
  void take_gone(Agent& agent, const GangGone& gone);
  void end_part(GangId id, Part& part, GangExited exited);
  void kill_overdue();
  void send(Agent& agent, const AgentOrder& order);
  void flush(Agent& agent);
  void poll_once(Seconds timeout);
  void read(Agent& agent);
  void take(Agent& agent, std::string_view line);
  void take_up(Agent& agent, const AgentUp& up);
  void look_after(Agent& agent);
  void lose(Agent& agent);
  void tell_lost(const Agent& agent);
  void end(Agent& agent);
  void end_unused();
  Seconds next_look(const Agent& agent) const;

  std::function<AgentCommand(const Node&)> command_for_;
  AgentTimes times_;
  std::string version_;
  SteadyClock clock_;
  std::map<std::string, Agent> agents_;  ///< by node
  std::map<GangId, Gang> gangs_;         ///< that run
  NewsQueue news_;
  GangId next_id_ = 0;
};

AgentsLauncher::~AgentsLauncher() {
  for (auto& [name, agent] : agents_) agent.input.reset();  // an agent ends with its input
  const Seconds limit = clock_.now() + kLongestEnd;
  for (auto& [name, agent] : agents_) {
    pollfd polled{agent.child.pidfd.get(), POLLIN, 0};
    const double left = std::max(0.0, (limit - clock_.now()).count());
    if (agent.child.pid > 0) ::poll(&polled, 1, static_cast<int>(left * 1e3));
    end(agent);
  }
}

void AgentsLauncher::watch_devices(const Cluster& cluster) {
  std::set<std::string> used;
  for (const Node& node : cluster.nodes) {
    if (node.devices.empty()) continue;
    use(node);
    used.insert(node.name);
  }
  for (auto& [name, agent] : agents_)
    if (!used.contains(name)) agent.node.devices.clear();
}

void AgentsLauncher::use(const Node& node) {
  const auto [found, is_new] = agents_.try_emplace(node.name);
  Agent& agent = found->second;
  const bool moved = !is_new && agent.node.host != node.host;
  const bool same = agent.node.devices == node.devices;
  agent.node = node;
  if (moved) {
    agent.why = "another machine takes its place";
    lose(agent);
  }
  if (is_new || moved) {
    agent.command = command_for_(node);
    begin(agent);
  } else if (agent.lost && !same) {
    tell_lost(agent);
  } else if (agent.up && !same) {
    send(agent, WatchOrder{agent.node});
  }
}

/// A command that cannot even be started is an agent that is not heard of.
void AgentsLauncher::begin(Agent& agent) {
  agent.heard = agent.pinged = clock_.now();
  agent.up = false;
  agent.log_size = size_of(agent.command.log);
  agent.unsent.clear();
  agent.partial_line.clear();
  try {
    Pipe input = make_pipe();
    Pipe output = make_pipe();
    SpawnSpec spec;
    spec.argv = agent.command.argv;
    spec.environment = {{"SATURN_SUPERVISOR", std::to_string(::getpid())}};
    const FileDescriptor log = open_log(agent.command.log);
    spec.inherit = {{input.read_end.get(), 0}, {output.write_end.get(), 1}, {log.get(), 2}};
    agent.child = spawn(spec);
    agent.input = std::move(input.write_end);
    agent.output = std::move(output.read_end);
    ::fcntl(agent.input.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(agent.output.get(), F_SETFL, O_NONBLOCK);
    send(agent, Ping{times_.limit / 2});
  } catch (const SystemError& error) {
    agent.why = error.what();
  }
}

GangId AgentsLauncher::start(const GangSpec& spec) {
  Gang gang{.parts = parts_of(spec)};
  for (const Part& part : gang.parts) {
    const auto found = agents_.find(part.node);
    if (found == agents_.end()) throw SystemError("start", spec.name, "there is no node " + part.node);
    if (found->second.lost) {
      throw SystemError("start", spec.name, fmt::format("node {} is lost: {}", part.node, found->second.why));
    }
  }
  if (gang.parts.size() > 1) gang.spec = spec;
  const GangId id = next_id_++;
  Gang& started = gangs_[id] = std::move(gang);
  start_part(id, spec, started.parts.front(), "");
  return id;
}

/// `address`: where the first part listens; empty: this is the first.
void AgentsLauncher::start_part(GangId id, const GangSpec& whole, Part& part, const std::string& address) {
  GangSpec spec = whole;
  const auto first = whole.ranks.begin() + part.first_rank;
  spec.node = part.node;
  spec.ranks.assign(first, first + part.ranks);
  if (!address.empty()) {
    spec.environment.emplace_back(kGangAddressVariable, address);
    spec.log += "." + part.node;
  }
  Agent& agent = agents_.at(part.node);
  agent.gangs.insert(id);
  part.state = Part::State::kRunning;
  send(agent, StartOrder{id, spec, whole.job.spans_nodes() && address.empty()});
}

/// The ranks of the first node are there, so the others find whom to meet.
void AgentsLauncher::start_rest(GangId id, const std::string& address) {
  Gang& gang = gangs_.at(id);
  if (gang.failed || gang.killed) return;
  const bool all_there = std::all_of(gang.parts.begin(), gang.parts.end(), [&](const Part& part) {
    const auto agent = agents_.find(part.node);
    return agent != agents_.end() && !agent->second.lost;
  });
  if (!all_there)
    return kill(id);  // a node has gone, or has been taken out, since the first part was started
  for (Part& part : gang.parts) {
    if (part.state != Part::State::kDue) continue;
    start_part(id, gang.spec, part, address);
    if (gang.admitted) send(agents_.at(part.node), AdmitOrder{id});
  }
  gang.spec = {};
}

void AgentsLauncher::give_up_rest(Gang& gang) {
  for (Part& part : gang.parts) {
    if (part.state == Part::State::kDue) part.state = Part::State::kGone;
  }
}

void AgentsLauncher::order_all(const Gang& gang, const AgentOrder& order) {
  for (const Part& part : gang.parts) {
    if (part.state == Part::State::kRunning) send(agents_.at(part.node), order);
  }
}

void AgentsLauncher::admit(GangId id) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end()) return;
  found->second.admitted = true;
  order_all(found->second, AdmitOrder{id});
}

void AgentsLauncher::release(GangId id) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end()) return;
  const Part& first = found->second.parts.front();
  if (first.state == Part::State::kRunning) send(agents_.at(first.node), ReleaseOrder{id});
}

void AgentsLauncher::stop(GangId id, Seconds grace) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end()) return;
  Gang& gang = found->second;
  const bool due = std::any_of(gang.parts.begin(), gang.parts.end(),
                               [](const Part& part) { return part.state == Part::State::kDue; });
  if (due) return kill(id);  // ranks that wait for others to come hear nothing, and have nothing to save
  order_all(gang, StopOrder{id, grace});
}

void AgentsLauncher::kill(GangId id) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end()) return;
  found->second.killed = true;
  give_up_rest(found->second);
  order_all(found->second, KillOrder{id});
}

void AgentsLauncher::send(Agent& agent, const AgentOrder& order) {
  if (!agent.input) return;
  agent.unsent += to_line(order);
  flush(agent);
}

void AgentsLauncher::flush(Agent& agent) {
  while (agent.input && !agent.unsent.empty()) {
    const ssize_t n = ::write(agent.input.get(), agent.unsent.data(), agent.unsent.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return agent.input.reset();
    agent.unsent.erase(0, static_cast<size_t>(n));
  }
  if (agent.unsent.size() > kMostUnread) agent.input.reset();  // it will not be heard of either
}

std::optional<GangNews> AgentsLauncher::wait(Seconds timeout) {
  return news_.wait(timeout, [this](Seconds at_most) { poll_once(at_most); });
}

void AgentsLauncher::poll_once(Seconds timeout) {
  std::vector<pollfd> polled{{news_.descriptor(), POLLIN, 0}};
  std::vector<Agent*> watched{nullptr};
  for (auto& [name, agent] : agents_) {
    timeout = std::min(timeout, std::max(next_look(agent) - clock_.now(), Seconds(0)));
    if (agent.output) polled.push_back({agent.output.get(), POLLIN, 0}), watched.push_back(&agent);
    if (agent.input && !agent.unsent.empty())
      polled.push_back({agent.input.get(), POLLOUT, 0}), watched.push_back(&agent);
  }
  for (const auto& [id, gang] : gangs_) {
    if (gang.kill_at) timeout = std::min(timeout, std::max(*gang.kill_at - clock_.now(), Seconds(0)));
  }
  const double milliseconds = std::min(timeout.count() * 1e3 + 1, 1e6);
  if (::poll(polled.data(), polled.size(), static_cast<int>(milliseconds)) > 0) {
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      if (polled[i].events == POLLIN) {
        read(*watched[i]);
      } else {
        flush(*watched[i]);
      }
    }
  }
  for (auto& [name, agent] : agents_) look_after(agent);
  end_unused();
  kill_overdue();
}

/// When something is to be done about the agent though nothing comes in.
Seconds AgentsLauncher::next_look(const Agent& agent) const {
  if (agent.lost && !agent.output) return agent.ended + times_.retry;
  const Seconds late = agent.heard + (agent.up ? times_.limit : times_.come_up);
  return agent.input ? std::min(late, agent.pinged + times_.ping) : late;
}

void AgentsLauncher::look_after(Agent& agent) {
  const Seconds now = clock_.now();
  if (agent.lost && !agent.output && now >= agent.ended + times_.retry) {
    agent.ended = now;
    return begin(agent);
  }
  if (agent.input && now >= agent.pinged + times_.ping) {
    agent.pinged = now;
    send(agent, Ping{times_.limit / 2});
  }
  if (agent.child.pid <= 0 && !agent.lost) return lose(agent);  // it could not be started
  if (agent.lost && !agent.output) return;
  const bool late = now >= agent.heard + (agent.up ? times_.limit : times_.come_up);
  if (!late) return;
  if (agent.why.empty())
    agent.why =
        fmt::format("not heard of for {}", to_text_duration(agent.up ? times_.limit : times_.come_up));
  lose(agent);
}

void AgentsLauncher::read(Agent& agent) {
  std::array<char, 65536> buffer{};
  while (agent.output) {
    const ssize_t n = ::read(agent.output.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    if (n == 0) {
      agent.output.reset();
      agent.input.reset();
      agent.why = "its agent has ended" + last_words(agent);
      // The node may be well and its gangs running: it is lost when the agent's own limit is surely over.
      if (!agent.up) lose(agent);
      return;
    }
    agent.partial_line.append(buffer.data(), static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end = 0; (end = agent.partial_line.find('\n', begin)) != std::string::npos; begin = end + 1)
      take(agent, std::string_view(agent.partial_line).substr(begin, end - begin));
    agent.partial_line.erase(0, begin);
  }
}

void AgentsLauncher::take(Agent& agent, std::string_view line) {
  const auto report = parse_agent_report(line);
  if (!report) return;  // what srun or a login script prints
  agent.heard = clock_.now();
  if (const auto* up = std::get_if<AgentUp>(&*report)) return take_up(agent, *up);
  if (const auto* event = std::get_if<GangReport>(&*report)) {
    if (agent.gangs.contains(event->gang)) news_.push({event->gang, event->event});
  } else if (const auto* listens = std::get_if<GangListens>(&*report)) {
    if (agent.gangs.contains(listens->gang)) start_rest(listens->gang, listens->address);
  } else if (const auto* gone = std::get_if<GangGone>(&*report)) {
    take_gone(agent, *gone);
  } else if (const auto* lost = std::get_if<DevicesLost>(&*report)) {
    if (agent.up) news_.push({kNoGang, *lost});
  } else if (const auto* back = std::get_if<DevicesBack>(&*report)) {
    if (agent.up) news_.push({kNoGang, *back});
  }
}

void AgentsLauncher::take_gone(Agent& agent, const GangGone& gone) {
  if (agent.gangs.erase(gone.gang) == 0) return;
  Gang& gang = gangs_.at(gone.gang);
  if (!gone.not_started.empty())
    news_.push({gone.gang, Event(Failed{Failed::Reason::kError, gone.not_started})});
  const auto part = std::find_if(gang.parts.begin(), gang.parts.end(),
                                 [&](const Part& p) { return p.node == agent.node.name; });
  end_part(gone.gang, *part, gone.exited);
}

/// As ranks of one node end: one that a signal killed is the cause, and the others' errors follow from it.
void AgentsLauncher::end_part(GangId id, Part& part, GangExited exited) {
  Gang& gang = gangs_.at(id);
  part.state = Part::State::kGone;
  if (exited.code != 0) {
    exited.rank += part.first_rank;
    const bool worse = exited.code > 128 && !gang.killed && gang.exited.code <= 128;
    if (!gang.failed || worse) gang.exited = exited;
    if (!gang.failed) gang.kill_at = clock_.now() + kLastWords;
    gang.failed = true;
  }
  give_up_rest(gang);
  if (!gang.is_gone()) return;
  news_.push({id, gang.exited});
  gangs_.erase(id);
}

void AgentsLauncher::kill_overdue() {
  std::vector<GangId> overdue;
  for (auto& [id, gang] : gangs_) {
    if (!gang.kill_at || clock_.now() < *gang.kill_at) continue;
    gang.kill_at.reset();
    overdue.push_back(id);
  }
  for (const GangId id : overdue) kill(id);
}

void AgentsLauncher::take_up(Agent& agent, const AgentUp& up) {
  if (up.version != version_) {
    agent.why = fmt::format("{} has saturn {}, this is {}", up.host, up.version, version_);
    return lose(agent);
  }
  if (!up.missing.empty()) {
    agent.why = fmt::format(
        "{} does not see {}: what tasks read, and the run directory, must lie where all nodes "
        "see them",
        up.host, fmt::join(up.missing, ", "));
    return lose(agent);
  }
  agent.up = true;
  agent.why.clear();
  send(agent, WatchOrder{agent.node});
  if (!std::exchange(agent.lost, false)) return;
  news_.push({kNoGang, DevicesBack{agent.node.name, indices_of(agent.node)}});
}

void AgentsLauncher::lose(Agent& agent) {
  end(agent);
  agent.ended = clock_.now();
  if (std::exchange(agent.lost, true)) return;
  tell_lost(agent);
  for (const GangId id : std::exchange(agent.gangs, {})) {
    Gang& gang = gangs_.at(id);
    const auto part = std::find_if(gang.parts.begin(), gang.parts.end(),
                                   [&](const Part& p) { return p.node == agent.node.name; });
    order_all(gang, KillOrder{id});  // what is left of it elsewhere; the lost node's agent does not hear that
    end_part(id, *part, {kKilled, 0});
  }
}

void AgentsLauncher::tell_lost(const Agent& agent) {
  if (agent.node.devices.empty()) return;  // the node is in use no more
  news_.push({kNoGang, DevicesLost{agent.node.name, indices_of(agent.node), agent.why}});
}

void AgentsLauncher::end(Agent& agent) {
  agent.input.reset();
  agent.output.reset();
  if (agent.child.pid <= 0) return;
  ::kill(-agent.child.pid, SIGKILL);
  reap(agent.child.pid);
  agent.child = {};
}

/// Those of nodes that have been taken out of the cluster.
void AgentsLauncher::end_unused() {
  for (auto& [name, agent] : agents_) {
    if (agent.is_unused()) end(agent);
  }
  std::erase_if(agents_, [](const auto& entry) { return entry.second.is_unused(); });
}

}  // namespace

std::unique_ptr<Launcher> make_agents_launcher(const Cluster& cluster,
                                               std::function<AgentCommand(const Node&)> command_for,
                                               AgentTimes times, std::string version) {
  return std::make_unique<AgentsLauncher>(cluster, std::move(command_for), times, std::move(version));
}

}  // namespace saturn
