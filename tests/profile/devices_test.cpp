// SPDX-License-Identifier: Apache-2.0
#include "profile/devices.h"

#include <doctest/doctest.h>

using namespace saturn;

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
  REQUIRE(one);
  CHECK(one->node == 1);
  CHECK(one->places == std::vector<size_t>{0});
  const auto four = pool.take("cpu", 4);
  REQUIRE(four);
  CHECK(four->node == 0);
  CHECK(four->places == std::vector<size_t>{0, 1, 2, 3});
  CHECK(!pool.take("cpu", 2));
}

TEST_CASE("a gang never spans nodes or kinds") {
  const Cluster cluster{{node("a", "cpu", 2), node("b", "cpu-slow", 4)}};
  DevicePool pool(cluster);
  CHECK(!pool.take("cpu", 3));
  CHECK(!pool.take("gpu", 1));
  CHECK(pool.take("cpu-slow", 3));
}

TEST_CASE("devices given back can be taken again") {
  const Cluster cluster{{node("a", "cpu", 2)}};
  DevicePool pool(cluster);
  const auto first = pool.take("cpu", 1);
  const auto second = pool.take("cpu", 1);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(!pool.take("cpu", 1));
  pool.give_back(*first);
  const auto again = pool.take("cpu", 1);
  REQUIRE(again);
  CHECK(again->places == std::vector<size_t>{0});
}
