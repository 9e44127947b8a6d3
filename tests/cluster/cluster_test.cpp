// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace saturn;

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
cluster.json:4:34: error: device of node '': unknown key 'idx'; known keys: index, cores, memory_bytes, uuid, name
     4 |     {"kind": "cpu", "devices": [{"idx": 1}]}
       |                                  ^)");
}
