// SPDX-License-Identifier: Apache-2.0
#include "cluster/gpu_nodes.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace saturn {
namespace {

/// The GPUs by kind, in the order in which the kinds first come.
std::vector<PlacedNode> by_kind(const std::vector<Gpu>& gpus) {
  std::vector<PlacedNode> groups;
  for (const Gpu& gpu : gpus) {
    const std::string kind = gpu_kind(gpu.name);
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const PlacedNode& node) { return node.spec.kind == kind; });
    if (group == groups.end()) {
      group = groups.insert(groups.end(), PlacedNode{});
      group->spec.kind = kind;
    }
    group->gpus.push_back(gpu);
    group->spec.devices = static_cast<std::int64_t>(group->gpus.size());
  }
  return groups;
}

/// "2 h100-80gb and 1 a100-80gb-pcie".
std::string counted(const std::vector<Gpu>& gpus) {
  std::vector<std::string> texts;
  for (const PlacedNode& group : by_kind(gpus)) {
    texts.push_back(fmt::format("{} {}", group.spec.devices, group.spec.kind));
  }
  return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, " and "));
}

}  // namespace

std::variant<PlacedNode, std::string> GpuDealer::place(NodeSpec spec) {
  for (const PlacedNode& group : by_kind(free_)) {
    if (!kind_covers(spec.kind, group.spec.kind) || group.spec.devices < spec.devices) continue;
    PlacedNode placed{std::move(spec), group.gpus};
    placed.spec.kind = group.spec.kind;
    placed.gpus.resize(static_cast<std::size_t>(placed.spec.devices));
    std::erase_if(free_, [&](const Gpu& gpu) {
      return std::find(placed.gpus.begin(), placed.gpus.end(), gpu) != placed.gpus.end();
    });
    return placed;
  }
  return shortage(spec);
}

std::variant<std::vector<PlacedNode>, std::string> GpuDealer::place_all(std::int64_t count) {
  const auto there = static_cast<std::int64_t>(free_.size());
  if (count > there) {
    const std::string asked = count == 1 ? "1 GPU is asked for" : fmt::format("{} GPUs are asked for", count);
    return there == 0 ? fmt::format("{}, but this machine has none: {}", asked, inventory_.none_because)
                      : fmt::format("{}, but this machine has {}", asked, counted(free_));
  }
  if (count >= 0) free_.resize(static_cast<std::size_t>(count));
  std::vector<PlacedNode> groups = by_kind(free_);
  for (PlacedNode& group : groups)
    group.spec.name = groups.size() == 1 ? "local" : "local-" + group.spec.kind;
  free_.clear();
  return groups;
}

std::string GpuDealer::shortage(const NodeSpec& spec) const {
  if (inventory_.gpus.empty()) {
    return fmt::format(
        "node '{}' is of kind '{}', but this machine has no GPUs: {} (CPU slots are of kind "
        "'cpu' or 'cpu-NAME')",
        spec.name, spec.kind, inventory_.none_because);
  }
  return fmt::format("node '{}' asks for {} GPU{} of {}; free {} {}", spec.name, spec.devices,
                     spec.devices == 1 ? "" : "s",
                     spec.kind == "gpu" ? "one kind" : fmt::format("kind '{}'", spec.kind),
                     free_.size() == 1 ? "is" : "are", counted(free_));
}

}  // namespace saturn
