// SPDX-License-Identifier: Apache-2.0
// Gangs across nodes, against brute force.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <random>
#include <set>
#include <tuple>

#include "base/error.h"
#include "many.h"
#include "plan/fixtures.h"
#include "plan/random_problems.h"
#include "plan/solve.h"

namespace saturn::across_random_test {
namespace {

constexpr double kSame = 1e-9;

SolveOptions work(std::int64_t steps) {
  return {.time_limit = Seconds(3600), .work = steps};
}

bool any_across(const Plan& plan) {
  return std::any_of(plan.assignments.begin(), plan.assignments.end(),
                     [](const Assignment& line) { return !line.further.empty(); });
}

TEST_CASE(
    "Plans of 1500 tiny problems with gangs across nodes are the optimum nearly always, and wherever they "
    "say so") {
  test::RandomProblems problems(41);
  int optimal = 0, proven = 0, across = 0;
  for (int i = 0; i < test::many(1500); ++i) {
    const Problem problem = problems.next_across(i % 2 == 1);
    const double best = test::least_makespan(problem);
    const Plan plan = solve(problem, work(300000));
    CAPTURE(i);
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(plan.lower_bound_seconds <= best + kSame);
    CHECK(plan.makespan_seconds >= best - kSame);
    optimal += plan.makespan_seconds <= best + kSame ? 1 : 0;
    proven += plan.gap == 0 ? 1 : 0;
    across += any_across(plan) ? 1 : 0;
  }
  MESSAGE("optimal ", optimal, ", proven ", proven, ", with gangs across nodes ", across);
  CHECK(optimal >= test::many(1500) * 98 / 100);
  CHECK(proven >= test::many(1500) * 6 / 10);
  CHECK(across >= test::many(1500) / 4);
}

/// That a gang's parts are there at the same time is in no bound: where it costs something nothing is proven.
TEST_CASE("Where no task has a choice between one node and several, two thirds are proven") {
  test::RandomProblems problems(47);
  int optimal = 0, proven = 0, solved = 0;
  for (int i = 0; i < test::many(500); ++i) {
    Problem problem = problems.next_across(i % 2 == 1);
    bool across = false;
    for (ProblemTask& it : problem.tasks) {
      if (it.configurations.back().nodes == 1) continue;
      it.configurations = {it.configurations.back()};
      across = true;
    }
    if (!across) continue;
    ++solved;
    const double best = test::least_makespan(problem);
    const Plan plan = solve(problem, work(1000000));
    CAPTURE(i);
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(plan.lower_bound_seconds <= best + kSame);
    optimal += plan.makespan_seconds <= best + kSame ? 1 : 0;
    proven += plan.gap == 0 ? 1 : 0;
  }
  MESSAGE("optimal ", optimal, ", proven ", proven, " of ", solved);
  CHECK(solved > test::many(500) / 2);
  CHECK(optimal >= solved * 98 / 100);
  CHECK(proven >= solved * 65 / 100);
}

TEST_CASE("With pins no bound is above the optimum and no plan below it") {
  test::RandomProblems problems(42);
  int optimal = 0, solved = 0;
  for (int i = 0; i < test::many(700); ++i) {
    Problem problem = problems.next_across(i % 2 == 1);
    problems.pin_some_across(problem);
    const double best = test::least_makespan(problem);
    CAPTURE(i);
    const Plan plan = solve(problem, work(300000));
    ++solved;
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(plan.lower_bound_seconds <= best + kSame);
    CHECK(plan.makespan_seconds >= best - kSame);
    optimal += plan.makespan_seconds <= best + kSame ? 1 : 0;
  }
  MESSAGE("optimal ", optimal, " of ", solved);
  CHECK(optimal >= solved * 95 / 100);
}

TEST_CASE("Gangs that run across nodes stay or move; no bound is above the optimum") {
  test::RandomProblems problems(43);
  int optimal = 0, solved = 0, staying = 0, running = 0;
  for (int i = 0; i < test::many(700); ++i) {
    Problem problem = problems.next_across(i % 2 == 1);
    if (i % 3 == 0) problems.pin_some_across(problem);
    problems.run_some_across(problem);
    CAPTURE(i);
    Plan plan;
    try {
      plan = solve(problem, work(300000));
    } catch (const InputError& error) {
      // A gang that can do nothing but stay, and a pin in its way.
      CHECK(std::string(error.what()).find("can only stay") != std::string::npos);
      continue;
    }
    const double best = test::least_makespan(problem);
    ++solved;
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(plan.lower_bound_seconds <= best + kSame);
    CHECK(plan.makespan_seconds >= best - kSame);
    optimal += plan.makespan_seconds <= best + kSame ? 1 : 0;
    for (const Assignment& line : plan.assignments) staying += stays(problem, line) ? 1 : 0;
    for (const ProblemTask& it : problem.tasks) running += it.running ? 1 : 0;
  }
  MESSAGE("optimal ", optimal, " of ", solved, "; ", staying, " of ", running, " gangs stay");
  CHECK(optimal >= solved * 95 / 100);
  CHECK(staying * 4 > running);
  CHECK(staying < running);
}

TEST_CASE("Other objectives have bounds that hold") {
  test::RandomProblems problems(44);
  int early_best = 0, cheap_best = 0;
  for (int i = 0; i < test::many(400); ++i) {
    Problem problem = problems.next_across(i % 2 == 1);
    if (i % 4 == 0) problems.pin_some_across(problem);
    CAPTURE(i);
    const auto soonest = test::best_measures(problem, [](const test::Measures& m) {
      return test::MeasureKey{m.completions, 0, 0};
    });
    problem.objective = {Objective::Kind::kMeanCompletion, 0};
    const Plan early = solve(problem, work(300000));
    const double mean =
        static_cast<double>(soonest.completions) / 1000 / static_cast<double>(problem.tasks.size());
    CHECK(test::text_of(check_plan(problem, early)) == "");
    CHECK(early.objective_bound <= mean + 1e-6);
    CHECK(objective_value(early) >= mean - 1e-6);
    early_best += objective_value(early) <= mean + 1e-6 ? 1 : 0;
    const double limit = test::least_makespan(problem) * 1.25;
    const auto cheapest = test::best_measures(problem, [&](const test::Measures& m) {
      return test::MeasureKey{std::max(0L, m.makespan - static_cast<long>(limit * 1000 + 1e-3)), m.area, 0};
    });
    problem.objective = {Objective::Kind::kDeadline, limit};
    const Plan cheap = solve(problem, work(300000));
    const double least = static_cast<double>(cheapest.area) / 1000;
    CHECK(test::text_of(check_plan(problem, cheap)) == "");
    CHECK(cheap.objective_bound <= least + 1e-6);
    if (!meets_deadline(cheap)) continue;
    CHECK(objective_value(cheap) >= least - 1e-6);
    cheap_best += objective_value(cheap) <= least + 1e-6 ? 1 : 0;
  }
  MESSAGE("least mean end ", early_best, ", least device time ", cheap_best);
  CHECK(early_best >= test::many(400) * 95 / 100);
  CHECK(cheap_best >= test::many(400) * 95 / 100);
}

TEST_CASE("The same work makes the same plan") {
  test::RandomProblems problems(45);
  for (int i = 0; i < test::many(40); ++i) {
    const Problem problem = problems.next_across(true);
    Plan first = solve(problem, work(100000)), second = solve(problem, work(100000));
    CHECK(to_text(first) == to_text(second));
  }
}

/// By time in quarters of a second: whether the lines are a plan, whatever the pins.
class Occupation {
 public:
  explicit Occupation(const Problem& problem) : problem_(problem) {}

  bool allows(const Plan& plan) const {
    std::set<std::tuple<std::string, int, int>> used;
    for (const Assignment& line : plan.assignments) {
      const ProblemTask& task = *std::find_if(problem_.tasks.begin(), problem_.tasks.end(),
                                              [&](const ProblemTask& it) { return it.name == line.task; });
      std::vector<NodeDevices> parts = line.further;
      parts.push_back({line.node, line.devices});
      if (std::none_of(task.configurations.begin(), task.configurations.end(), [&](const Configuration& it) {
            return it.nodes == static_cast<int>(parts.size()) &&
                   it.duration_seconds == line.duration_seconds &&
                   it.devices == it.nodes * static_cast<int>(line.devices.size());
          }))
        return false;
      std::set<std::string> nodes;
      for (const NodeDevices& part : parts) {
        if (part.devices.size() != line.devices.size() || !nodes.insert(part.node).second) return false;
        const auto node = std::find_if(problem_.nodes.begin(), problem_.nodes.end(),
                                       [&](const ProblemNode& it) { return it.name == part.node; });
        if (node == problem_.nodes.end()) return false;
        for (const int device : part.devices) {
          if (device >= static_cast<int>(node->free_at_seconds.size())) return false;
          if (node->free_at_seconds[static_cast<size_t>(device)] > line.start_seconds) return false;
          for (int at = quarter(line.start_seconds); at < quarter(line.end_seconds()); ++at)
            if (!used.insert({part.node, device, at}).second) return false;
        }
      }
    }
    return true;
  }

 private:
  static int quarter(double seconds) { return static_cast<int>(std::lround(seconds * 4)); }

  const Problem& problem_;
};

TEST_CASE("check_plan says of random lines what counting says device by device") {
  test::RandomProblems problems(46);
  std::mt19937_64 random(46);
  const auto below = [&](size_t count) { return static_cast<size_t>(random() % count); };
  int valid = 0, invalid = 0;
  for (int i = 0; i < test::many(3000); ++i) {
    const Problem problem = problems.next_across(i % 2 == 1);
    Plan plan = solve(problem, work(1));
    if (i % 4 == 0) plan.lower_bound_seconds = plan.gap = 0;
    for (size_t changes = below(4); changes > 0; --changes) {
      Assignment& line = plan.assignments[below(plan.assignments.size())];
      std::vector<int>& devices = line.further.empty() || below(2) == 0
                                      ? line.devices
                                      : line.further[below(line.further.size())].devices;
      switch (below(6)) {
        case 0:
          line.start_seconds = 0.25 * static_cast<double>(below(20));
          break;
        case 1:
          devices = {static_cast<int>(below(3))};
          break;
        case 2:
          line.node = problem.nodes[below(problem.nodes.size())].name;
          break;
        case 3:
          if (!line.further.empty())
            line.further.front().node = problem.nodes[below(problem.nodes.size())].name;
          break;
        case 4:
          line.further.push_back({problem.nodes[below(problem.nodes.size())].name, line.devices});
          break;
        default:
          if (!line.further.empty()) line.further.pop_back();
      }
    }
    plan.makespan_seconds = plan.lower_bound_seconds = 0;
    for (const Assignment& line : plan.assignments)
      plan.makespan_seconds = std::max(plan.makespan_seconds, line.end_seconds());
    CAPTURE(i);
    CAPTURE(to_text(plan));
    const bool allowed = Occupation(problem).allows(plan);
    CHECK((test::text_of(check_plan(problem, plan)) == "") == allowed);
    ++(allowed ? valid : invalid);
  }
  CHECK(valid > test::many(3000) / 4);
  CHECK(invalid > test::many(3000) / 4);
}

}  // namespace
}  // namespace saturn::across_random_test
