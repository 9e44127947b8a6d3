// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/fill.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <numeric>
#include <random>

#include "plan/model/schedule.h"

namespace saturn::fill_test {
namespace {

const Deadline kNoDeadline = Deadline::in(Seconds(1e6));

FillRequest random_request(std::mt19937_64& random) {
  const auto up_to = [&](Millis most) {
    return 1 + static_cast<Millis>(random() % static_cast<std::uint64_t>(most));
  };
  FillRequest request;
  request.free.assign(static_cast<size_t>(up_to(6)), 0);
  for (Millis& free : request.free) free = up_to(4) == 1 ? up_to(30) : 0;
  request.limit = 100;
  request.most_waste = 1000;
  request.noise = 0.3;
  request.fair_waste = 20;
  request.seed = random();
  for (Millis c = 0, classes = up_to(6); c < classes; ++c) {
    FillClass offered{static_cast<int>(up_to(4)), false, 0, {}};
    const Millis alone = up_to(80);
    for (int devices = 1; devices <= static_cast<int>(request.free.size()); ++devices)
      offered.options.push_back({0, devices, std::max<Millis>(1, alone / devices + up_to(3))});
    for (const Option& option : offered.options)
      offered.worth = offered.worth == 0 ? option.area() : std::min(offered.worth, option.area());
    request.classes.push_back(offered);
  }
  return request;
}

struct Replayed {
  Millis finish = 0;
  Millis work = 0;
  Millis worth = 0;
  std::vector<int> counts;
};

Replayed replay(const FillRequest& request, const Filling& filling) {
  Replayed result;
  result.counts.assign(request.classes.size(), 0);
  Timeline timeline(request.free);
  for (const auto& [task_class, option] : filling.order) {
    const FillClass& offered = request.classes.at(static_cast<size_t>(task_class));
    const Option& chosen = offered.options.at(static_cast<size_t>(option));
    result.finish = std::max(result.finish, timeline.place(chosen.devices, chosen.duration));
    result.work += chosen.area();
    result.worth += offered.worth;
    ++result.counts[static_cast<size_t>(task_class)];
  }
  return result;
}

TEST_CASE("A filling ends in time, has no more tasks than are offered, and wastes what it says") {
  std::mt19937_64 random(3);
  int found = 0;
  for (int i = 0; i < 200; ++i) {
    const FillRequest request = random_request(random);
    Millis room = 0;
    for (const Millis free : request.free) room += request.limit - free;
    CAPTURE(i);
    Millis last_waste = -1;
    for (const Filling& filling : fill_node(request, 5, kNoDeadline)) {
      ++found;
      const Replayed replayed = replay(request, filling);
      CHECK(replayed.finish <= request.limit);
      CHECK(filling.waste == room - replayed.worth);  // idle, or worked beyond the worth
      CHECK(filling.waste <= request.most_waste);
      CHECK(filling.waste >= last_waste);
      last_waste = filling.waste;
      for (size_t c = 0; c < request.classes.size(); ++c)
        CHECK(replayed.counts[c] <= request.classes[c].count);
    }
  }
  CHECK(found > 200);
}

TEST_CASE("Asked to, a filling places every task") {
  std::mt19937_64 random(4);
  int found = 0;
  for (int i = 0; i < 200; ++i) {
    FillRequest request = random_request(random);
    request.all = true;
    for (const Filling& filling : fill_node(request, 1, kNoDeadline)) {
      ++found;
      const Replayed replayed = replay(request, filling);
      CHECK(replayed.finish <= request.limit);
      for (size_t c = 0; c < request.classes.size(); ++c)
        CHECK(replayed.counts[c] == request.classes[c].count);
    }
  }
  CHECK(found > 20);
}

TEST_CASE("Tasks that must be on the node are in every filling") {
  std::mt19937_64 random(5);
  int found = 0;
  for (int i = 0; i < 100; ++i) {
    FillRequest request = random_request(random);
    request.classes.back().must = true;
    for (const Filling& filling : fill_node(request, 5, kNoDeadline)) {
      ++found;
      CHECK(replay(request, filling).counts.back() == request.classes.back().count);
    }
  }
  CHECK(found > 20);
}

TEST_CASE("A node that can be filled without waste is") {
  // Two devices until 10: one gang of both until 4, then a lane each.
  FillRequest request;
  request.free = {0, 0};
  request.limit = 10;
  request.most_waste = 20;
  request.classes = {{1, false, 8, {{0, 2, 4}}}, {2, false, 6, {{0, 1, 6}}}, {5, false, 5, {{0, 1, 5}}}};
  const std::vector<Filling> fillings = fill_node(request, 3, kNoDeadline);
  REQUIRE_FALSE(fillings.empty());
  CHECK(fillings.front().waste == 0);
}

}  // namespace
}  // namespace saturn::fill_test
