// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "launch/launcher.h"

namespace saturn {

// What a supervisor and the agent of a node say to each other: a JSON object a line, orders on the agent's
// standard input, reports on its standard output. Gangs have the supervisor's numbers.

struct StartOrder {
  GangId gang = kNoGang;
  GangSpec spec;  ///< without `job`, which the ranks read from its file
  /// Its first rank is to listen for those of other nodes: the agent makes the socket and says where it is.
  bool listens = false;
};
struct AdmitOrder {
  GangId gang = kNoGang;
};
struct ReleaseOrder {
  GangId gang = kNoGang;
};
struct StopOrder {
  GangId gang = kNoGang;
  Seconds grace{0};
};
struct KillOrder {
  GangId gang = kNoGang;
};
/// The supervisor is there. An agent that has not heard of it for `limit` kills its gangs and leaves: they
/// may be started elsewhere from then on.
struct Ping {
  Seconds limit{0};
};
/// The node with the devices that are used: what becomes of its GPUs is to be told.
struct WatchOrder {
  Node node;
};
using AgentOrder = std::variant<StartOrder, AdmitOrder, ReleaseOrder, StopOrder, KillOrder, Ping, WatchOrder>;

/// The agent is up: its first line.
struct AgentUp {
  std::string host;
  std::string version;  ///< of its saturn
  /// Of what it was told that gangs need, what is not there; at most a few.
  std::vector<std::string> missing{};
};
/// An answer to Ping.
struct AgentAlive {};
struct GangReport {
  GangId gang = kNoGang;
  Event event;
};
struct GangListens {
  GangId gang = kNoGang;
  std::string address;  ///< a GangAddress as text
};
struct GangGone {
  GangId gang = kNoGang;
  GangExited exited;
  std::string not_started;  ///< why; empty: it had been started
};
/// What becomes of the node's GPUs is told as the agent's launcher tells it.
using AgentReport =
    std::variant<AgentUp, AgentAlive, GangReport, GangListens, GangGone, DevicesLost, DevicesBack>;

/// One line with its end. Pure.
std::string to_line(const AgentOrder& order);
std::string to_line(const AgentReport& report);
/// Empty: it is none of this version. Pure.
std::optional<AgentOrder> parse_agent_order(std::string_view line);
std::optional<AgentReport> parse_agent_report(std::string_view line);

}  // namespace saturn
