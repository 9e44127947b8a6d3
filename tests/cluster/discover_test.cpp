// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/cluster.h"

namespace saturn::discover_test {

namespace {

constexpr Bytes kGiB = Bytes{1} << 30;

Machine machine_with(int cores, Bytes memory) {
  Machine machine{{}, memory, "Fast Processor 9000", {}};
  machine.gpus.none_because = "nobody looked";
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

/// Four cores and these GPUs.
Machine machine_with_gpus(const std::vector<std::string>& names) {
  Machine machine = machine_with(4, 64 * kGiB);
  for (const std::string& name : names) {
    const auto index = static_cast<int>(machine.gpus.gpus.size());
    machine.gpus.gpus.push_back({index, name, "GPU-" + std::to_string(index), 80 * kGiB});
  }
  return machine;
}

constexpr const char* kH100 = "NVIDIA H100 80GB HBM3";
constexpr const char* kL4 = "NVIDIA L4";

/// "NAME KIND: UUID, UUID" for every node.
std::vector<std::string> nodes_of(const Cluster& cluster) {
  std::vector<std::string> texts;
  for (const Node& node : cluster.nodes) {
    std::vector<std::string> uuids;
    for (const Device& device : node.devices) uuids.push_back(device.uuid);
    texts.push_back(fmt::format("{} {}: {}", node.name, node.kind, fmt::join(uuids, ", ")));
  }
  return texts;
}
using Texts = std::vector<std::string>;

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
        "error: cluster: node 'g' is of kind 'gpu', but this machine has no GPUs: nobody looked (CPU slots "
        "are of "
        "kind 'cpu' or 'cpu-NAME')\n"
        "error: cluster: two nodes have the name 'a'\n"
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

TEST_CASE("auto is the machine's GPUs, with the cores shared out and a reserve off their memory") {
  const Cluster cluster = discover({}, machine_with_gpus({kH100, kH100}));
  CHECK(nodes_of(cluster) == Texts{"local h100-80gb: GPU-0, GPU-1"});
  CHECK(cores_of(cluster) == std::vector<std::vector<int>>{{0, 1}, {2, 3}});
  const Device& second = cluster.nodes[0].devices[1];
  CHECK(second == Device{1, {2, 3}, gpu_memory_budget(80 * kGiB), "GPU-1", kH100});
  CHECK(discover({}, machine_with_gpus(std::vector<std::string>(8, kH100))).device_count() == 8);
}

TEST_CASE("GPUs can be fewer, none, or too many") {
  ClusterSpec spec;
  spec.gpus = 1;
  CHECK(nodes_of(discover(spec, machine_with_gpus({kH100, kH100}))) == Texts{"local h100-80gb: GPU-0"});
  spec.gpus = 0;
  CHECK(discover(spec, machine_with_gpus({kH100})).nodes[0].kind == "cpu");
  spec.gpus = 3;
  CHECK(error_of(spec, machine_with_gpus({kH100, kL4})) ==
        "error: cluster: 3 GPUs are asked for, but this machine has 1 h100-80gb and 1 l4");
  CHECK(error_of(spec, machine_with(2, kGiB)) ==
        "error: cluster: 3 GPUs are asked for, but this machine has none: nobody looked");
}

TEST_CASE("mixed GPUs become a node a kind") {
  CHECK(nodes_of(discover({}, machine_with_gpus({kH100, kL4, kH100}))) ==
        Texts{"local-h100-80gb h100-80gb: GPU-0, GPU-2", "local-l4 l4: GPU-1"});
}

TEST_CASE("nodes of GPUs take them by kind, beside CPU slots") {
  const Machine machine = machine_with_gpus({kL4, kH100, kH100, kH100});
  CHECK(nodes_of(discover(nodes({{.name = "a", .devices = 1, .kind = "h100", .cores_per_device = 1},
                                 {.name = "b", .devices = 2, .kind = "gpu", .cores_per_device = 1},
                                 {.name = "c", .devices = 1, .memory_bytes = kGiB}}),
                          machine)) == Texts{"a h100-80gb: GPU-1", "b h100-80gb: GPU-2, GPU-3", "c cpu: "});
  CHECK(error_of(
            nodes({{.name = "a", .devices = 4, .kind = "gpu"}, {.name = "b", .devices = 1, .kind = "h200"}}),
            machine) ==
        "error: cluster: node 'a' asks for 4 GPUs of one kind; free are 1 l4 and 3 h100-80gb\n"
        "error: cluster: node 'b' asks for 1 GPU of kind 'h200'; free are 1 l4 and 3 h100-80gb");
}

TEST_CASE(
    "the memory of GPUs: a budget may be given, the smallest of a kind counts, and no more than it has") {
  Machine machine = machine_with_gpus({kH100, kH100});
  machine.gpus.gpus[1].memory_bytes = 79 * kGiB;
  const Cluster cluster = discover({}, machine);
  for (const Device& d : cluster.nodes[0].devices) CHECK(d.memory_bytes == gpu_memory_budget(79 * kGiB));
  const auto with_memory = [](Bytes memory) {
    return nodes({{.name = "a", .devices = 2, .kind = "gpu", .memory_bytes = memory}});
  };
  CHECK(discover(with_memory(8 * kGiB), machine).nodes[0].devices[0].memory_bytes == 8 * kGiB);
  CHECK(error_of(with_memory(90 * kGiB), machine) ==
        "error: cluster: node 'a' asks for 90 GiB of memory a GPU, but NVIDIA H100 80GB HBM3 has 79 GiB");
}

TEST_CASE("only a cluster that may have GPUs makes anybody look for them") {
  CHECK(may_use_gpus({}));
  CHECK(may_use_gpus(nodes({{.name = "a", .devices = 1}, {.name = "b", .devices = 1, .kind = "l4"}})));
  CHECK(!may_use_gpus(nodes({{.name = "a", .devices = 1, .kind = "cpu-slow"}})));
  ClusterSpec slots;
  slots.gpus = 0;
  CHECK(!may_use_gpus(slots));
}

TEST_CASE("no nodes are refused") {
  CHECK(error_of(nodes({}), machine_with(4, kGiB)) == "error: cluster: there are no nodes");
}

}  // namespace saturn::discover_test
