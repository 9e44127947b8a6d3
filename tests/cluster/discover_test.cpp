// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "cluster/cluster.h"

using namespace saturn;

namespace {

constexpr Bytes kGiB = Bytes{1} << 30;

Machine machine_with(int cores, Bytes memory) {
  Machine machine{{}, memory, "Fast Processor 9000"};
  for (int core = 0; core < cores; ++core) machine.cores.push_back(core);
  return machine;
}

ClusterSpec nodes(std::vector<NodeSpec> list) {
  ClusterSpec spec;
  spec.automatic = false;
  spec.nodes = std::move(list);
  return spec;
}

std::string error_of(const ClusterSpec& spec, const Machine& machine) {
  try {
    discover(spec, machine);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::vector<int>> cores_of(const Cluster& cluster) {
  std::vector<std::vector<int>> cores;
  for (const Node& node : cluster.nodes) {
    for (const Device& device : node.devices) cores.push_back(device.cores);
  }
  return cores;
}

}  // namespace

TEST_CASE("auto makes one slot per core and splits nine tenths of the memory") {
  const Cluster cluster = discover({}, machine_with(4, 40 * kGiB));
  REQUIRE(cluster.nodes.size() == 1);
  CHECK(cluster.nodes[0].name == "local");
  CHECK(cluster.nodes[0].kind == "cpu");
  CHECK(cores_of(cluster) == std::vector<std::vector<int>>{{0}, {1}, {2}, {3}});
  for (const Device& device : cluster.nodes[0].devices) CHECK(device.memory_bytes == 9 * kGiB);
  CHECK(cluster_warnings(cluster).empty());
}

TEST_CASE("every slot has the same number of cores; the rest stays idle") {
  ClusterSpec spec;
  spec.slots = 3;
  CHECK(cores_of(discover(spec, machine_with(8, kGiB))) ==
        std::vector<std::vector<int>>{{0, 1}, {2, 3}, {4, 5}});
}

TEST_CASE("a given slot memory is the budget") {
  ClusterSpec spec;
  spec.slots = 2;
  spec.slot_memory_bytes = 512 << 20;
  const Cluster cluster = discover(spec, machine_with(2, 4 * kGiB));
  CHECK(cluster.nodes[0].devices[1].memory_bytes == 512 << 20);
}

TEST_CASE("more automatic slots than cores are refused with the numbers") {
  ClusterSpec spec;
  spec.slots = 5;
  CHECK(error_of(spec, machine_with(2, kGiB)) ==
        "error: cluster: 5 slots are asked for, but this process may use 2 cores; ask for at most 2, or name "
        "the "
        "nodes: their devices may share cores");
}

TEST_CASE("explicit nodes are disjoint parts of the machine, in order") {
  const Cluster cluster =
      discover(nodes({{.name = "a", .devices = 2, .kind = "cpu-fast", .cores_per_device = 2},
                      {.name = "b", .devices = 2}}),
               machine_with(8, 10 * kGiB));
  CHECK(cores_of(cluster) == std::vector<std::vector<int>>{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(cluster.device_count() == 4);
}

TEST_CASE("explicit nodes with more devices than cores share them round-robin, and a warning says so") {
  const Cluster cluster =
      discover(nodes({{.name = "a", .devices = 3}, {.name = "b", .devices = 1}}), machine_with(2, 10 * kGiB));
  CHECK(cores_of(cluster) == std::vector<std::vector<int>>{{0}, {1}, {0}, {1}});
  CHECK(cluster_warnings(cluster) ==
        std::vector<std::string>{"core 0 is shared by 2 devices (a:0, a:2): they slow each other down",
                                 "core 1 is shared by 2 devices (a:1, b:0): they slow each other down"});
}

TEST_CASE("everything wrong with the nodes is said at once") {
  CHECK(error_of(nodes({{.name = "a", .devices = 2},
                        {.name = "a", .devices = 2},
                        {.name = "g", .devices = 1, .kind = "gpu"},
                        {.name = "none", .devices = 0},
                        {.name = "huge", .devices = 5000}}),
                 machine_with(2, kGiB)) ==
        "error: cluster: two nodes have the name 'a'\n"
        "error: cluster: node 'g' is of kind 'gpu', which this version cannot use; it uses 'cpu' and names "
        "that "
        "begin with 'cpu-'\n"
        "error: cluster: node 'none' has no devices\n"
        "error: cluster: node 'huge' has 5000 devices; at most 1024 are possible");
}

TEST_CASE("more cores and more memory than the machine has are refused") {
  CHECK(error_of(nodes({{.name = "a", .devices = 2, .memory_bytes = 3 * kGiB, .cores_per_device = 3}}),
                 machine_with(4, 4 * kGiB)) ==
        "error: cluster: the nodes ask for 6 cores, but this process may use 4; leave 'cores' out to let "
        "devices "
        "share them\n"
        "error: cluster: the devices ask for 6 GiB of memory in all, but this machine has 4 GiB");
}

TEST_CASE("given memory that leaves nothing for the other devices is refused") {
  CHECK(error_of(nodes({{.name = "a", .devices = 1, .memory_bytes = 4 * kGiB},
                        {.name = "b", .devices = 2, .kind = "cpu-b"}}),
                 machine_with(4, 4 * kGiB)) ==
        "error: cluster: the devices with a given memory take 4 GiB of the machine's 4 GiB, which leaves "
        "none for "
        "the 2 others");
}

TEST_CASE("two nodes of one kind must be alike") {
  CHECK(error_of(nodes({{.name = "a", .devices = 1, .memory_bytes = kGiB, .cores_per_device = 1},
                        {.name = "b", .devices = 1, .memory_bytes = kGiB, .cores_per_device = 2}}),
                 machine_with(4, 4 * kGiB)) ==
        "error: cluster: nodes 'a' and 'b' are both of kind 'cpu', but a device of the one has 1 core(s) and "
        "1 GiB, "
        "of the other 2 and 1 GiB; speeds are measured once per kind, so give one of them another kind, for "
        "example "
        "'cpu-b'");
}

TEST_CASE("no nodes are refused") {
  CHECK(error_of(nodes({}), machine_with(4, kGiB)) == "error: cluster: there are no nodes");
}
