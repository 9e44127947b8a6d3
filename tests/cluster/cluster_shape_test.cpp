// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_shape.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace saturn::cluster_shape_test {

namespace {

/// "n1 8 h100, n2 4 cpu", or what is wrong.
std::string text(const char* shape) {
  const auto parsed = parse_cluster_shape(shape);
  if (const auto* problem = std::get_if<std::string>(&parsed)) return *problem;
  std::vector<std::string> nodes;
  for (const Node& node : std::get<Cluster>(parsed).nodes)
    nodes.push_back(fmt::format("{} {} {}", node.name, node.devices.size(), node.kind));
  return fmt::format("{}", fmt::join(nodes, ", "));
}

}  // namespace

TEST_CASE("a cluster in short: nodes, devices and kinds, in order") {
  CHECK(text("2x8:h100,1x4:a100") == "n1 8 h100, n2 8 h100, n3 4 a100");
  CHECK(text("4:h100-80gb,2x3") == "n1 4 h100-80gb, n2 3 cpu, n3 3 cpu");
  const auto cluster = std::get<Cluster>(parse_cluster_shape("1x3"));
  CHECK(cluster.nodes[0].devices[2].index == 2);
  CHECK(cluster.device_count() == 3);
}

TEST_CASE("what is no cluster is said") {
  for (const char* shape :
       {"", "h100", "2x", "x8", "0x8", "2x0:h100", "2x8:", "2x8:H100", "2x8:-a", "2x8,,1x4", "2x8,", "-1x2",
        "2x1025", "99999x1,2x1", "2x8:h100:4", "2 x 8", "1x99999999999"}) {
    CAPTURE(shape);
    CHECK(text(shape) ==
          fmt::format("a cluster is written like 2x8:h100,1x4:a100 (NODESxDEVICES:KIND; at most 1024 "
                      "devices a node, 100000 nodes), not '{}'",
                      shape));
  }
}

}  // namespace saturn::cluster_shape_test
