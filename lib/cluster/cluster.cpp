// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cluster/visible_devices.h"

namespace saturn {
namespace {

constexpr int kMaxIndex = 1 << 20;

nlohmann::ordered_json to_json(const Node& node) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (const Device& device : node.devices) devices.push_back(to_json(device));
  nlohmann::ordered_json json = {{"name", node.name}, {"kind", node.kind}, {"devices", std::move(devices)}};
  if (!node.host.empty()) json["host"] = node.host;
  return json;
}

/// The list under `key`, which must be there; null (and reported) when it is no list.
const Value* required_list(MapReader& reader, std::string_view key) {
  if (!reader.require(key)) return nullptr;
  const Value* list = reader.value(key);
  if (list->kind == Value::Kind::kList) return list;
  reader.error(key, "must be a list, not " + describe(*list));
  return nullptr;
}

Node node_from_value(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "node", diagnostics);
  Node node;
  reader.require("name");
  node.name = reader.text("name");
  node.kind = reader.text("kind", "cpu");
  node.host = reader.text("host");
  if (const Value* devices = required_list(reader, "devices")) {
    for (const Value& device : devices->items) {
      node.devices.push_back(device_from_value(device, "device of node '" + node.name + "'", diagnostics));
    }
  }
  reader.finish();
  return node;
}

}  // namespace

int Cluster::device_count() const {
  size_t count = 0;
  for (const Node& node : nodes) count += node.devices.size();
  return static_cast<int>(count);
}

nlohmann::ordered_json to_json(const Device& device) {
  nlohmann::ordered_json json = {
      {"index", device.index}, {"cores", device.cores}, {"memory_bytes", device.memory_bytes}};
  if (!device.uuid.empty()) json["uuid"] = device.uuid;
  if (!device.name.empty()) json["name"] = device.name;
  if (device.ordinal >= 0) json["ordinal"] = device.ordinal;
  return json;
}

Device device_from_value(const Value& value, const std::string& what, Diagnostics& diagnostics) {
  MapReader reader(value, what, diagnostics);
  Device device;
  reader.require("index");
  device.index = static_cast<int>(reader.integer("index", 0, 0, kMaxIndex));
  for (const std::int64_t core : reader.integers("cores", 0, kMaxIndex)) {
    device.cores.push_back(static_cast<int>(core));
  }
  device.memory_bytes = reader.bytes("memory_bytes", 0);
  device.uuid = reader.text("uuid");
  device.name = reader.text("name");
  device.ordinal = static_cast<int>(reader.integer("ordinal", -1, -1, kMaxIndex));
  reader.finish();
  return device;
}

nlohmann::ordered_json to_json(const Cluster& cluster) {
  nlohmann::ordered_json nodes = nlohmann::ordered_json::array();
  for (const Node& node : cluster.nodes) nodes.push_back(to_json(node));
  return {{"nodes", std::move(nodes)}};
}

Cluster cluster_from_value(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "cluster", diagnostics);
  Cluster cluster;
  if (const Value* nodes = required_list(reader, "nodes")) {
    for (const Value& node : nodes->items) cluster.nodes.push_back(node_from_value(node, diagnostics));
  }
  reader.finish();
  return cluster;
}

namespace {

/// What CUDA_VISIBLE_DEVICES takes for it.
std::string name_of_gpu(int ordinal, const char* visible) {
  if (visible == nullptr) return std::to_string(ordinal);
  const std::vector<std::string_view> entries = visible_entries(visible);
  if (static_cast<std::size_t>(ordinal) < entries.size())
    return std::string(entries[static_cast<std::size_t>(ordinal)]);
  throw SystemError("use", fmt::format("GPU {} of the job's on this node", ordinal),
                    fmt::format("CUDA_VISIBLE_DEVICES is '{}' here", visible),
                    "start saturn in the allocation itself, not in a smaller step");
}

}  // namespace

void settle(std::vector<Device>& devices, const std::string& kind, const std::vector<int>& cores,
            const char* visible) {
  for (Device& device : devices) {
    if (device.ordinal < 0) continue;
    if (!is_cpu_kind(kind)) device.uuid = name_of_gpu(device.ordinal, visible);
    const bool all_there = std::all_of(device.cores.begin(), device.cores.end(), [&](int place) {
      return static_cast<std::size_t>(place) < cores.size();
    });
    if (!all_there) device.cores.clear();
    for (int& core : device.cores) core = cores[static_cast<std::size_t>(core)];
    device.ordinal = -1;
  }
}

std::string cluster_hash(const Cluster& cluster) {
  Cluster counted = cluster;
  for (Node& node : counted.nodes) {
    node.host.clear();
    for (Device& device : node.devices) {
      device.uuid.clear();
      device.ordinal = -1;
    }
  }
  return content_hash(to_json(counted).dump());
}

}  // namespace saturn
