// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <string>

#include "plan/bounds/lane_program.h"
#include "plan/bounds/width_program.h"
#include "plan/fixtures.h"
#include "plan/methods/portfolio.h"
#include "plan/solve.h"

namespace saturn {
namespace {

const Deadline kNoDeadline = Deadline::in(Seconds(1e6));

class RandomInstances {
 public:
  explicit RandomInstances(std::uint64_t seed) : random_(seed) {}

  /// Nodes of several sizes and kinds, devices busy until later, gangs that need a least number of devices.
  Problem next(int most_nodes, int most_devices, int most_tasks) {
    Problem problem;
    for (int n = 0, nodes = up_to(most_nodes); n < nodes; ++n) {
      problem.nodes.push_back(test::node("n" + std::to_string(n), up_to(most_devices)));
      if (up_to(4) == 1) problem.nodes.back().kind = "gpu";
      if (up_to(3) == 1)
        for (double& free : problem.nodes.back().free_at_seconds) free = (up_to(4) - 1) * 0.5;
    }
    for (int t = 0, tasks = up_to(most_tasks); t < tasks; ++t) add_task(problem);
    return problem;
  }

 private:
  int up_to(int most) { return 1 + static_cast<int>(random_() % static_cast<std::uint64_t>(most)); }

  void add_task(Problem& problem) {
    const std::string name = "t" + std::to_string(problem.tasks.size());
    if (!problem.tasks.empty() && up_to(3) == 1) {  // a twin
      problem.tasks.push_back(problem.tasks.back());
      problem.tasks.back().name = name;
      return;
    }
    ProblemTask task{name, {}, std::nullopt};
    const int alone = up_to(40);
    std::map<std::string, int> widest;  // by kind
    for (const ProblemNode& node : problem.nodes)
      widest[node.kind] = std::max(widest[node.kind], static_cast<int>(node.free_at_seconds.size()));
    for (const auto& [kind, most] : widest)
      for (int devices = up_to(most); devices <= most; ++devices)
        task.configurations.push_back({"ddp", {}, kind, devices, 0.25 * (alone / devices + up_to(3))});
    problem.tasks.push_back(std::move(task));
  }

  std::mt19937_64 random_;
};

TEST_CASE(
    "On nodes of several kinds and sizes the optimum is found, and neither lanes nor widths refute it") {
  RandomInstances instances(11);
  int refuted_below = 0;
  for (int i = 0; i < 200; ++i) {
    const Problem problem = instances.next(2, 3, 5);
    const auto best = static_cast<Millis>(test::least_makespan(problem) * 1000 + 0.5);
    const Instance instance = make_instance(problem);
    CAPTURE(i);
    CHECK_FALSE(LaneProgram(instance).refutes(best, kNoDeadline));
    CHECK_FALSE(WidthProgram(instance).refutes(best, kNoDeadline));
    const Plan plan = solve(problem, {.time_limit = Seconds(3600)});
    CHECK(plan.makespan_seconds == doctest::Approx(static_cast<double>(best) / 1000));
    CHECK(plan.gap == 0);
    refuted_below += LaneProgram(instance).refutes(best / 2, kNoDeadline) ? 1 : 0;
  }
  CHECK(refuted_below > 80);  // they do refute what is out of reach
}

TEST_CASE("Neither lanes nor widths refute the makespan of a good plan") {
  RandomInstances instances(12);
  for (int i = 0; i < 40; ++i) {
    const Problem problem = instances.next(4, 8, 30);
    const Instance instance = make_instance(problem);
    Search search(instance, 0, 0);
    Work work{1000000, true};
    run_portfolio(search, Deadline::in(Seconds(1e6), nullptr, &work), 1);
    CAPTURE(i);
    CHECK_FALSE(LaneProgram(instance).refutes(search.makespan(), kNoDeadline));
    CHECK_FALSE(WidthProgram(instance).refutes(search.makespan(), kNoDeadline));
  }
}

TEST_CASE("Widths see that wide gangs cannot share a node") {
  // Four gangs of two on nodes of three devices: by area they need 4 x 2 x 3 / 6 = 4 s, but only one fits at
  // a time.
  Problem problem;
  problem.nodes = {test::node("n0", 3), test::node("n1", 3)};
  for (int t = 0; t < 4; ++t) problem.tasks.push_back(test::task("t" + std::to_string(t), {{2, 3.0}}));
  const Instance instance = make_instance(problem);
  CHECK(WidthProgram(instance).refutes(5999, kNoDeadline));
  CHECK_FALSE(WidthProgram(instance).refutes(6000, kNoDeadline));
}

TEST_CASE("Lanes see that long tasks cannot share a device") {
  // Three tasks of 6 s on two devices: by area 9 s, but one device runs two of them.
  Problem problem;
  problem.nodes = {test::node("n0", 2)};
  for (int t = 0; t < 3; ++t) problem.tasks.push_back(test::task("t" + std::to_string(t), {{1, 6.0}}));
  const Instance instance = make_instance(problem);
  CHECK(LaneProgram(instance).refutes(11999, kNoDeadline));
  CHECK_FALSE(LaneProgram(instance).refutes(12000, kNoDeadline));
}

}  // namespace
}  // namespace saturn
