// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace saturn::cluster_test {

namespace {

Cluster example() {
  return {{{"a", "cpu", {{0, {0, 1}, 1 << 30}, {1, {2, 3}, 1 << 30}}},
           {"b", "l4", {{0, {4}, 1 << 30, "GPU-1", "NVIDIA L4"}}}}};
}

std::string error_of(const std::string& json) {
  const Document document = parse_json("cluster.json", json);
  Diagnostics diagnostics(document);
  cluster_from_value(document.root, diagnostics);
  try {
    diagnostics.throw_if_any();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a cluster is written and read back unchanged") {
  const Document document = parse_json("cluster.json", to_json(example()).dump(2));
  Diagnostics diagnostics(document);
  CHECK(cluster_from_value(document.root, diagnostics) == example());
  CHECK(!diagnostics.any());
}

TEST_CASE("the hash of a cluster changes with what its devices are") {
  CHECK(cluster_hash(example()) == cluster_hash(example()));
  Cluster other = example();
  other.nodes[1].devices[0].memory_bytes = 1;
  CHECK(cluster_hash(other) != cluster_hash(example()));
  other = example();
  other.nodes[1].devices[0].name = "NVIDIA L40S";
  CHECK(cluster_hash(other) != cluster_hash(example()));
}

TEST_CASE("another GPU of the same kind leaves the hash as it is") {
  Cluster other = example();
  other.nodes[1].devices[0].uuid = "GPU-2";
  CHECK(cluster_hash(other) == cluster_hash(example()));
}

TEST_CASE("places among what a Slurm job has become the machine's own numbers there") {
  const auto settled = [](std::vector<Device> devices, const std::string& kind, const char* visible) {
    settle(devices, kind, {8, 9, 12}, visible);
    return devices;
  };
  std::vector<Device> devices(3);
  devices[0].ordinal = 1;
  devices[0].cores = {0, 2};
  devices[1].ordinal = 0;
  devices[1].cores = {1, 3};
  devices[2].uuid = "GPU-1";
  devices[2].cores = {1};
  const std::vector<Device> gpus = settled(devices, "h100", "4,GPU-7");
  CHECK(gpus[0].uuid == "GPU-7");
  CHECK(gpus[0].cores == std::vector<int>{8, 12});
  CHECK(gpus[1].uuid == "4");
  CHECK(gpus[1].cores.empty());  // one of them is not there
  CHECK(gpus[2] == devices[2]);
  CHECK(settled(devices, "h100", nullptr)[0].uuid == "1");  // nothing is hidden from this process
  CHECK(settled(devices, "cpu", "4")[0].uuid.empty());
  CHECK_THROWS_WITH_AS(settled(devices, "h100", "4"),
                       "cannot use GPU 1 of the job's on this node: CUDA_VISIBLE_DEVICES is '4' here; start "
                       "saturn in the allocation itself, not in a smaller step",
                       SystemError);
}

TEST_CASE("what is wrong with a cluster is reported at its place") {
  CHECK(error_of(R"({
  "nodes": [
    {"name": "a", "devices": 3},
    {"kind": "cpu", "devices": [{"idx": 1}]}
  ]
})") == R"(cluster.json:3:30: error: node: 'devices' must be a list, not the number 3
     3 |     {"name": "a", "devices": 3},
       |                              ^
cluster.json:4:5: error: node: missing key 'name'
     4 |     {"kind": "cpu", "devices": [{"idx": 1}]}
       |     ^
cluster.json:4:33: error: device of node '': missing key 'index'
     4 |     {"kind": "cpu", "devices": [{"idx": 1}]}
       |                                 ^
cluster.json:4:34: error: device of node '': unknown key 'idx'; known keys: index, cores, memory_bytes, uuid, name, ordinal
     4 |     {"kind": "cpu", "devices": [{"idx": 1}]}
       |                                  ^)");
}

}  // namespace saturn::cluster_test
