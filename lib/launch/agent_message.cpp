// SPDX-License-Identifier: Apache-2.0
#include "launch/agent_message.h"

#include <nlohmann/json.hpp>

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

struct OrderToJson {
  Json operator()(const StartOrder& o) const {
    return {{"order", "start"},      {"gang", o.gang},
            {"name", o.spec.name},   {"node", o.spec.node},
            {"ranks", o.spec.ranks}, {"log", o.spec.log.string()},
            {"ahead", o.spec.ahead}, {"environment", o.spec.environment},
            {"listens", o.listens}};
  }
  Json operator()(const AdmitOrder& o) const { return {{"order", "admit"}, {"gang", o.gang}}; }
  Json operator()(const ReleaseOrder& o) const { return {{"order", "release"}, {"gang", o.gang}}; }
  Json operator()(const StopOrder& o) const {
    return {{"order", "stop"}, {"gang", o.gang}, {"grace", o.grace.count()}};
  }
  Json operator()(const KillOrder& o) const { return {{"order", "kill"}, {"gang", o.gang}}; }
  Json operator()(const Ping& o) const { return {{"order", "ping"}, {"limit", o.limit.count()}}; }
  Json operator()(const WatchOrder& o) const {
    return {{"order", "watch"}, {"cluster", to_json(Cluster{{o.node}})}};
  }
};

struct ReportToJson {
  Json operator()(const AgentUp& r) const {
    return {{"report", "up"}, {"host", r.host}, {"version", r.version}, {"missing", r.missing}};
  }
  Json operator()(const AgentAlive&) const { return {{"report", "alive"}}; }
  Json operator()(const GangReport& r) const {
    return {{"report", "event"}, {"gang", r.gang}, {"line", saturn::to_line(r.event)}};
  }
  Json operator()(const GangListens& r) const {
    return {{"report", "listens"}, {"gang", r.gang}, {"address", r.address}};
  }
  Json operator()(const GangGone& r) const {
    return {{"report", "gone"},
            {"gang", r.gang},
            {"code", r.exited.code},
            {"rank", r.exited.rank},
            {"not_started", r.not_started}};
  }
  Json operator()(const DevicesLost& r) const {
    return {{"report", "lost"}, {"node", r.node}, {"devices", r.devices}, {"why", r.why}};
  }
  Json operator()(const DevicesBack& r) const {
    return {{"report", "back"}, {"node", r.node}, {"devices", r.devices}};
  }
};

/// What a program prints may be no UTF-8.
std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<AgentOrder> watch_from(const nlohmann::json& cluster) {
  const Document document = parse_json("the order", cluster.dump());
  Diagnostics diagnostics(document);
  Cluster read = cluster_from_value(document.root, diagnostics);
  if (diagnostics.any() || read.nodes.size() != 1) return {};
  return WatchOrder{std::move(read.nodes.front())};
}

std::optional<AgentOrder> order_from(const nlohmann::json& j) {
  const std::string order = j.at("order");
  if (order == "ping") return Ping{Seconds(j.at("limit").get<double>())};
  if (order == "watch") return watch_from(j.at("cluster"));
  const GangId gang = j.at("gang");
  if (order == "admit") return AdmitOrder{gang};
  if (order == "release") return ReleaseOrder{gang};
  if (order == "kill") return KillOrder{gang};
  if (order == "stop") return StopOrder{gang, Seconds(j.at("grace").get<double>())};
  if (order != "start") return {};
  StartOrder start{.gang = gang, .spec = {}};
  start.spec.name = j.at("name");
  start.spec.node = j.at("node");
  start.spec.ranks = j.at("ranks");
  start.spec.log = j.at("log").get<std::string>();
  start.spec.ahead = j.at("ahead");
  start.spec.environment = j.at("environment");
  start.listens = j.at("listens");
  return start;
}

std::optional<AgentReport> report_from(const nlohmann::json& j) {
  const std::string report = j.at("report");
  if (report == "up")
    return AgentUp{j.at("host"), j.at("version"), j.value("missing", std::vector<std::string>{})};
  if (report == "alive") return AgentAlive{};
  if (report == "lost") return DevicesLost{j.at("node"), j.at("devices"), j.at("why")};
  if (report == "back") return DevicesBack{j.at("node"), j.at("devices")};
  const GangId gang = j.at("gang");
  if (report == "gone") return GangGone{gang, {j.at("code"), j.at("rank")}, j.at("not_started")};
  if (report == "listens") return GangListens{gang, j.at("address")};
  if (report != "event") return {};
  std::string line = j.at("line");
  while (line.ends_with('\n')) line.pop_back();
  auto event = parse_event(line);
  if (!event) return {};
  return GangReport{gang, std::move(*event)};
}

template <typename Read>
auto parse(std::string_view line, Read read) -> decltype(read(nlohmann::json())) {
  try {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded() || !json.is_object()) return {};
    return read(json);
  } catch (const nlohmann::json::exception&) {  // a key that is not there, or is something else
    return {};
  }
}

}  // namespace

std::string to_line(const AgentOrder& order) {
  return line_of(std::visit(OrderToJson{}, order));
}

std::string to_line(const AgentReport& report) {
  return line_of(std::visit(ReportToJson{}, report));
}

std::optional<AgentOrder> parse_agent_order(std::string_view line) {
  return parse(line, order_from);
}

std::optional<AgentReport> parse_agent_report(std::string_view line) {
  return parse(line, report_from);
}

}  // namespace saturn
