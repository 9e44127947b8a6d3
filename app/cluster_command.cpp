// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "commands.h"
#include "find_cluster.h"
#include "output.h"
#include "report/style.h"
#include "report/table.h"

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const SlurmAllocation& allocation) {
  Json json{
      {"job", allocation.job.id}, {"this_node", allocation.this_node}, {"restarts", allocation.job.restarts}};
  const auto left = allocation.job.time_left();
  json["seconds_left"] = left ? Json(left->count()) : Json();
  json["nodes_gone"] = allocation.gone;
  return json;
}

std::string report_json(const Session& session) {
  Json json{{"schema", "saturn.cluster/1"}, {"nodes", to_json(session.cluster).at("nodes")}};
  if (session.allocation) json["slurm"] = to_json(*session.allocation);
  return json.dump(2) + "\n";
}

std::string report_text(const Session& session, const Style& style) {
  using Align = Table::Align;
  Table table({{"node"},
               {"kind"},
               {"devices", Align::kRight},
               {"cores each", Align::kRight},
               {"memory each", Align::kRight},
               {"host"},
               {"its GPUs"},
               {"model"}});
  for (const Node& node : session.cluster.nodes) {
    const Device& device = node.devices.front();
    std::vector<int> ordinals;
    for (const Device& each : node.devices)
      if (each.ordinal >= 0 && !is_cpu_kind(node.kind)) ordinals.push_back(each.ordinal);
    table.add({node.name, node.kind, std::to_string(node.devices.size()), std::to_string(device.cores.size()),
               device.memory_bytes > 0 ? to_text_bytes(device.memory_bytes) : "", node.host,
               fmt::format("{}", fmt::join(ordinals, ",")), device.name});
  }
  return table.to_text(style);
}

}  // namespace

int run_cluster(const ClusterCommand& command, const CommonOptions& options) {
  Session session;
  if (command.workload.empty()) {
    session.worker = worker_program();
    find_cluster(session);
  } else {
    session = open_session(command.workload, options);
  }
  print(options.json ? report_json(session) : report_text(session, style_of(STDOUT_FILENO)));
  return 0;
}

}  // namespace saturn
