// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_shape.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace saturn {
namespace {

constexpr int kMostNodes = 100'000;
constexpr int kMostDevices = 1024;  // of a node, as `discover` has it

/// A whole number from 1 to `most`.
std::optional<int> positive(std::string_view text, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > most) return {};
  return value;
}

bool is_kind(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.front() != '-' && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

struct Group {
  int nodes = 1;
  int devices = 0;
  std::string kind = "cpu";
};

std::optional<Group> parse_group(std::string_view text) {
  Group group;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    group.kind = text.substr(colon + 1);
    if (!is_kind(group.kind)) return {};
    text = text.substr(0, colon);
  }
  if (const std::size_t times = text.find('x'); times != std::string_view::npos) {
    const auto nodes = positive(text.substr(0, times), kMostNodes);
    if (!nodes) return {};
    group.nodes = *nodes;
    text = text.substr(times + 1);
  }
  const auto devices = positive(text, kMostDevices);
  if (!devices) return {};
  group.devices = *devices;
  return group;
}

}  // namespace

std::variant<Cluster, std::string> parse_cluster_shape(std::string_view text) {
  Cluster cluster;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const auto group = parse_group(rest.substr(0, comma));
    if (!group || std::ssize(cluster.nodes) + group->nodes > kMostNodes) {
      return fmt::format(
          "a cluster is written like 2x8:h100,1x4:a100 (NODESxDEVICES:KIND; at most {} devices a node, {} "
          "nodes), "
          "not '{}'",
          kMostDevices, kMostNodes, text);
    }
    for (int i = 0; i < group->nodes; ++i) {
      Node node{fmt::format("n{}", cluster.nodes.size() + 1), group->kind, {}};
      node.devices.resize(static_cast<std::size_t>(group->devices));
      for (int index = 0; index < group->devices; ++index)
        node.devices[static_cast<std::size_t>(index)].index = index;
      cluster.nodes.push_back(std::move(node));
    }
    if (comma == rest.size()) return cluster;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace saturn
