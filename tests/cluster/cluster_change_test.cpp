// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_change.h"

#include <doctest/doctest.h>

namespace saturn::cluster_change_test {

namespace {

using Lines = std::vector<std::string>;
using Places = std::set<std::pair<std::string, int>>;

/// "left ab": a node whose devices are known by these letters.
Node node(const std::string& name, const std::string& letters, const std::string& kind = "l4") {
  Node node{name, kind, {}};
  for (size_t i = 0; i < letters.size(); ++i)
    node.devices.push_back({static_cast<int>(i), {}, 100, std::string(1, letters[i]), "L4"});
  return node;
}

/// Its devices' letters by number, as in "left ab".
std::string letters(const Cluster& cluster) {
  std::string text;
  for (const Node& node : cluster.nodes) {
    text += (text.empty() ? "" : "; ") + node.name + " ";
    for (size_t i = 0; i < node.devices.size(); ++i) {
      CHECK(node.devices[i].index == static_cast<int>(i));
      text += node.devices[i].uuid;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("a cluster that stays the same does not change, whatever the order") {
  const ClusterChange change = change_cluster({{node("left", "abc")}}, {}, {{node("left", "cab")}});
  CHECK(!change.any());
  CHECK(letters(change.cluster) == "left abc");
  CHECK(to_lines(change).empty());
}

TEST_CASE("devices that leave keep their numbers, and so do the others") {
  const ClusterChange change = change_cluster({{node("left", "abc")}}, {}, {{node("left", "ac")}});
  CHECK(letters(change.cluster) == "left abc");
  CHECK(to_lines(change) == Lines{"device 1 of left is taken out of the cluster"});
  // And come back under them.
  const ClusterChange back = change_cluster(change.cluster, Places{{"left", 1}}, {{node("left", "abc")}});
  CHECK(letters(back.cluster) == "left abc");
  CHECK(to_lines(back) == Lines{"device 1 of left is new in the cluster"});
  CHECK(!change_cluster(change.cluster, Places{{"left", 1}}, {{node("left", "ca")}}).any());
}

TEST_CASE("new devices take numbers that nobody has any more, then new ones") {
  const ClusterChange change = change_cluster({{node("left", "abc")}}, {}, {{node("left", "xaycz")}});
  CHECK(letters(change.cluster) == "left axcyz");
  CHECK(to_lines(change) ==
        Lines{"device 1 of left is replaced by others", "devices 3,4 of left are new in the cluster"});
  const ClusterChange again =
      change_cluster({{node("left", "abc")}}, Places{{"left", 0}}, {{node("left", "xbc")}});
  CHECK(letters(again.cluster) == "left xbc");
  CHECK(to_lines(again) == Lines{"device 0 of left is new in the cluster"});
}

TEST_CASE("nodes come and go as a whole, and one of another kind has other devices") {
  const ClusterChange change = change_cluster({{node("left", "ab"), node("right", "c")}}, {},
                                              {{node("right", "c"), node("third", "de")}});
  CHECK(letters(change.cluster) == "left ab; right c; third de");
  CHECK(to_lines(change) == Lines{"devices 0,1 of left are taken out of the cluster",
                                  "devices 0,1 of third are new in the cluster"});
  const ClusterChange kind = change_cluster({{node("left", "ab")}}, {}, {{node("left", "a", "h100")}});
  CHECK(kind.cluster.nodes.front().kind == "h100");
  CHECK(to_lines(kind) ==
        Lines{"device 1 of left is taken out of the cluster", "device 0 of left is replaced by others"});
}

TEST_CASE("slots keep their shape where nothing else is asked for") {
  const Cluster before{{{"local", "cpu", {{0, {0, 1}, 64, "", ""}, {1, {2, 3}, 64, "", ""}}}}};
  const NodeSpec one{.name = "local", .devices = 1, .memory_bytes = 64, .cores_per_device = 2};
  CHECK(with_shapes_of(before, {.gpus = 0, .slots = 1}) == ClusterSpec{.automatic = false, .nodes = {one}});
  NodeSpec given = one;
  given.memory_bytes = 32;
  CHECK(with_shapes_of(before, {.gpus = 0, .slots = 1, .slot_memory_bytes = 32}) ==
        ClusterSpec{.automatic = false, .nodes = {given}});
  const ClusterSpec named{.automatic = false, .nodes = {{.name = "x", .devices = 1, .cores_per_device = 1}}};
  CHECK(with_shapes_of(before, named).nodes.front() ==
        NodeSpec{.name = "x", .devices = 1, .memory_bytes = 64, .cores_per_device = 1});
  const Cluster gpus{{{"local", "l4", {{0, {0}, 64, "a", "L4"}, {1, {1}, 64, "b", "L4"}}}}};
  CHECK(with_shapes_of(gpus, {.gpus = 1}) ==
        ClusterSpec{.automatic = false,
                    .nodes = {{.name = "local", .devices = 1, .kind = "l4", .cores_per_device = 1}}});
  for (const ClusterSpec& other :
       {ClusterSpec{}, ClusterSpec{.gpus = 2},
        ClusterSpec{.automatic = false, .nodes = {{.name = "g", .devices = 1, .kind = "l4"}}}})
    CHECK(with_shapes_of(before, other) == other);
}

}  // namespace saturn::cluster_change_test
