// SPDX-License-Identifier: Apache-2.0
#include "profile/devices.h"

#include <doctest/doctest.h>

namespace saturn::devices_test {

namespace {

Node node(const std::string& name, const std::string& kind, int devices) {
  Node result{name, kind, {}};
  for (int i = 0; i < devices; ++i) result.devices.push_back({i, {}, 0});
  return result;
}

}  // namespace

TEST_CASE("a gang gets devices of one node, of the fullest that suffices") {
  const Cluster cluster{{node("wide", "cpu", 4), node("narrow", "cpu", 2)}};
  DevicePool pool(cluster);
  const auto one = pool.take("cpu", 1);
  REQUIRE(one.size() == 1);
  CHECK(one[0].node == 1);
  CHECK(one[0].places == std::vector<size_t>{0});
  const auto four = pool.take("cpu", 4);
  REQUIRE(four.size() == 1);
  CHECK(four[0].node == 0);
  CHECK(four[0].places == std::vector<size_t>{0, 1, 2, 3});
  CHECK(pool.take("cpu", 2).empty());
}

TEST_CASE("a gang spans no nodes that it has not asked for, and never kinds") {
  const Cluster cluster{{node("a", "cpu", 2), node("b", "cpu-slow", 4)}};
  DevicePool pool(cluster);
  CHECK(pool.take("cpu", 3).empty());
  CHECK(pool.take("gpu", 1).empty());
  CHECK(pool.take("cpu", 1, 2).empty());
  CHECK(pool.take("cpu-slow", 3).size() == 1);
}

TEST_CASE("a gang across nodes gets as many devices of each, or none at all") {
  const Cluster cluster{{node("a", "cpu", 2), node("b", "cpu", 4), node("c", "cpu", 2)}};
  DevicePool pool(cluster);
  CHECK(pool.take("cpu", 2, 4).empty());
  const auto two = pool.take("cpu", 2, 2);
  REQUIRE(two.size() == 2);
  CHECK(two[0].node == 0);
  CHECK(two[1].node == 2);
  CHECK(pool.take("cpu", 1, 2).empty());
  pool.give_back(two);
  CHECK(pool.take("cpu", 2, 3).size() == 3);
}

TEST_CASE("devices given back can be taken again") {
  const Cluster cluster{{node("a", "cpu", 2)}};
  DevicePool pool(cluster);
  const auto first = pool.take("cpu", 1);
  const auto second = pool.take("cpu", 1);
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(pool.take("cpu", 1).empty());
  pool.give_back(first);
  const auto again = pool.take("cpu", 1);
  REQUIRE(again.size() == 1);
  CHECK(again[0].places == std::vector<size_t>{0});
}

TEST_CASE("nothing is taken of a node that is away") {
  const Cluster cluster{{node("a", "cpu", 2), node("b", "cpu", 4)}};
  DevicePool pool(cluster);
  pool.set_usable(0, false);
  CHECK(pool.take("cpu", 2).at(0).node == 1);
  CHECK(pool.take("cpu", 1, 2).empty());
  pool.set_usable(0, true);
  CHECK(pool.take("cpu", 2).at(0).node == 0);
}

}  // namespace saturn::devices_test
