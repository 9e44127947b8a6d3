// SPDX-License-Identifier: Apache-2.0
#include "launch/agents_launcher.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <poll.h>
#include <set>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "launch/agent_message.h"
#include "launch/log_file.h"
#include "launch/news_queue.h"

namespace saturn {
namespace {

constexpr int kKilled = 128 + SIGKILL;
constexpr Seconds kLongestEnd{10};
/// What an agent has not read yet. More means that it does not read at all.
constexpr size_t kMostUnread = 1 << 24;

struct Agent {
  AgentNode node;
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
};

std::uintmax_t size_of(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

/// What srun says, for example.
std::string last_words(const Agent& agent) {
  if (size_of(agent.node.log) == agent.log_size) return "";
  std::string text = tail_of_file(agent.node.log, 1);
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? "" : ": " + text;
}

class AgentsLauncher final : public Launcher {
 public:
  AgentsLauncher(std::vector<AgentNode> nodes, AgentTimes times, std::string version)
      : times_(times), version_(std::move(version)) {
    ::signal(SIGPIPE, SIG_IGN);
    for (AgentNode& node : nodes) {
      Agent& agent = agents_[node.name];
      agent.node = std::move(node);
      begin(agent);
    }
  }
  ~AgentsLauncher() override;

  GangId start(const GangSpec& spec) override;
  void admit(GangId gang) override { order(gang, AdmitOrder{gang}); }
  void release(GangId gang) override { order(gang, ReleaseOrder{gang}); }
  void stop(GangId gang, Seconds grace) override { order(gang, StopOrder{gang, grace}); }
  void kill(GangId gang) override { order(gang, KillOrder{gang}); }
  std::optional<GangNews> wait(Seconds timeout) override;
  void wake() override { news_.wake(); }

 private:
  void begin(Agent& agent);
  void order(GangId gang, const AgentOrder& order);
  void send(Agent& agent, const AgentOrder& order);
  void flush(Agent& agent);
  void poll_once(Seconds timeout);
  void read(Agent& agent);
  void take(Agent& agent, std::string_view line);
  void take_up(Agent& agent, const AgentUp& up);
  void look_after(Agent& agent);
  void lose(Agent& agent);
  void end(Agent& agent);
  Seconds next_look(const Agent& agent) const;

  AgentTimes times_;
  std::string version_;
  SteadyClock clock_;
  std::map<std::string, Agent> agents_;   ///< by node
  std::map<GangId, std::string> places_;  ///< the node of every gang that runs
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

/// A command that cannot even be started is an agent that is not heard of.
void AgentsLauncher::begin(Agent& agent) {
  agent.heard = agent.pinged = clock_.now();
  agent.up = false;
  agent.log_size = size_of(agent.node.log);
  agent.unsent.clear();
  agent.partial_line.clear();
  try {
    Pipe input = make_pipe();
    Pipe output = make_pipe();
    SpawnSpec spec;
    spec.argv = agent.node.command;
    spec.environment = {{"SATURN_SUPERVISOR", std::to_string(::getpid())}};
    const FileDescriptor log = open_log(agent.node.log);
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
  const auto found = agents_.find(spec.node);
  if (found == agents_.end()) throw SystemError("start", spec.name, "there is no node " + spec.node);
  Agent& agent = found->second;
  if (agent.lost)
    throw SystemError("start", spec.name, fmt::format("node {} is lost: {}", spec.node, agent.why));
  const GangId id = next_id_++;
  agent.gangs.insert(id);
  places_[id] = spec.node;
  send(agent, StartOrder{id, spec});
  return id;
}

void AgentsLauncher::order(GangId gang, const AgentOrder& what) {
  const auto place = places_.find(gang);
  if (place == places_.end()) return;
  Agent& agent = agents_.at(place->second);
  if (!agent.lost) send(agent, what);
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
    return;
  }
  const auto* gone = std::get_if<GangGone>(&*report);
  if (gone == nullptr || agent.gangs.erase(gone->gang) == 0) return;
  places_.erase(gone->gang);
  if (!gone->not_started.empty())
    news_.push({gone->gang, Event(Failed{Failed::Reason::kError, gone->not_started})});
  news_.push({gone->gang, gone->exited});
}

void AgentsLauncher::take_up(Agent& agent, const AgentUp& up) {
  if (up.version != version_) {
    agent.why = fmt::format("{} has saturn {}, this is {}", up.host, up.version, version_);
    return lose(agent);
  }
  agent.up = true;
  agent.why.clear();
  if (!std::exchange(agent.lost, false)) return;
  news_.push({kNoGang, DevicesBack{agent.node.name, agent.node.devices}});
}

void AgentsLauncher::lose(Agent& agent) {
  end(agent);
  agent.ended = clock_.now();
  if (std::exchange(agent.lost, true)) return;
  news_.push({kNoGang, DevicesLost{agent.node.name, agent.node.devices, agent.why}});
  for (const GangId gang : agent.gangs) {
    places_.erase(gang);
    news_.push({gang, GangExited{kKilled, 0}});
  }
  agent.gangs.clear();
}

void AgentsLauncher::end(Agent& agent) {
  agent.input.reset();
  agent.output.reset();
  if (agent.child.pid <= 0) return;
  ::kill(-agent.child.pid, SIGKILL);
  reap(agent.child.pid);
  agent.child = {};
}

}  // namespace

std::unique_ptr<Launcher> make_agents_launcher(std::vector<AgentNode> nodes, AgentTimes times,
                                               std::string version) {
  return std::make_unique<AgentsLauncher>(std::move(nodes), times, std::move(version));
}

}  // namespace saturn
