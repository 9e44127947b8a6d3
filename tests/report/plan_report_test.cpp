// SPDX-License-Identifier: Apache-2.0
#include "report/plan_report.h"

#include <doctest/doctest.h>

#include "report/golden.h"

namespace saturn::plan_report_test {

namespace {

Assignment at(const std::string& task, std::vector<int> devices, double start, double duration) {
  Assignment a;
  a.task = task;
  a.parallelism = "ddp";
  a.node = "local";
  a.devices = std::move(devices);
  a.start_seconds = start;
  a.duration_seconds = duration;
  return a;
}

Plan example() {
  Plan plan;
  plan.method = "MILP";
  plan.bound_method = "area";
  plan.assignments = {at("large", {0, 1}, 0, 40), at("small", {0}, 40, 35), at("tiny", {1}, 40, 30.5)};
  plan.assignments[0].knobs = {{"bucket_mb", "25"}};
  plan.assignments[1].pinned = PinnedParts::whole();
  plan.makespan_seconds = 75;
  plan.lower_bound_seconds = 72;
  plan.gap = 0.04;
  plan.baseline_seconds = 100;
  return plan;
}

}  // namespace

TEST_CASE("the plan table has a line per task") {
  test::check_golden("plan", plan_table(example(), {}));
}

TEST_CASE("a plan without knobs and pins has no columns for them") {
  Plan plan = example();
  plan.assignments.erase(plan.assignments.begin(), plan.assignments.begin() + 2);
  CHECK(plan_table(plan, {}) ==
        "task  parallelism  node   devices  start   end  duration\n"
        "tiny  ddp          local  1         40 s  1:11    30.5 s\n");
}

TEST_CASE("how far a plan comes in an allocation") {
  CHECK(how_far(example(), 75) == "3 of 3 tasks end in it, 0 are under way then, 0 are left for later");
  CHECK(how_far(example(), 72) == "2 of 3 tasks end in it, 1 is under way then, 0 are left for later");
  CHECK(how_far(example(), 40) == "1 of 3 tasks end in it, 0 are under way then, 2 are left for later");
  CHECK(how_far(example(), 39.9) == "0 of 3 tasks end in it, 1 is under way then, 2 are left for later");
}

TEST_CASE("the summary gives the gap, the methods and the saving") {
  CHECK(plan_summary(example()) ==
        "makespan 1:15, lower bound 1:12: gap 4.00 % (found by MILP, bound by area)\n"
        "device time 2:26; a task ends after 1:02 on average\n"
        "a whole node each, one after another: 1:40; this plan saves 25.0 %\n");
}

TEST_CASE("a gap of nothing is a proof") {
  Plan plan = example();
  plan.gap = 1e-9;
  plan.lower_bound_seconds = 75;
  plan.method = plan.bound_method = "";
  plan.baseline_seconds = 0;
  CHECK(plan_summary(plan) ==
        "makespan 1:15, lower bound 1:15: proven optimal\n"
        "device time 2:26; a task ends after 1:02 on average\n");
}

TEST_CASE("a plan whose bound holds no more has none") {
  Plan plan = example();
  plan.gap = 1;
  plan.lower_bound_seconds = plan.baseline_seconds = 0;
  plan.bound_method = "";
  CHECK(plan_summary(plan) ==
        "makespan 1:15, no lower bound known (found by MILP)\n"
        "device time 2:26; a task ends after 1:02 on average\n");
}

TEST_CASE("the summary says what another objective has come to") {
  const auto first_line = [](const Plan& plan) {
    const std::string text = plan_summary(plan);
    return text.substr(0, text.find('\n'));
  };
  Plan plan = example();
  plan.objective = {Objective::Kind::kMeanCompletion, 0};
  plan.objective_bound = 60;
  CHECK(first_line(plan) ==
        "mean completion 1:02, lower bound 1:00: gap 4.00 %; makespan 1:15 (found by MILP, bound by area)");
  plan.objective = {Objective::Kind::kDeadline, 80};
  plan.objective_bound = 140;
  CHECK(first_line(plan) ==
        "device time 2:26, lower bound 2:20: gap 4.00 %; makespan 1:15 within the deadline of 1:20 (found by "
        "MILP, bound by area)");
  plan.objective.deadline_seconds = 73;
  CHECK(first_line(plan) ==
        "makespan 1:15, 2 s past the deadline of 1:13: no plan that meets it was found, nor proven "
        "impossible (found by MILP, bound by area)");
  plan.objective.deadline_seconds = 70;
  CHECK(first_line(plan) ==
        "makespan 1:15, 5 s past the deadline of 1:10: no plan ends before 1:12 (found by MILP, bound by "
        "area)");
}

TEST_CASE("an edited plan may be worse than the baseline") {
  Plan plan = example();
  plan.baseline_seconds = 60;
  CHECK(plan_summary(plan) ==
        "makespan 1:15, lower bound 1:12: gap 4.00 % (found by MILP, bound by area)\n"
        "device time 2:26; a task ends after 1:02 on average\n"
        "a whole node each, one after another: 1:00; this plan takes longer by 25.0 %\n");
}

TEST_CASE("comparing plans names what is new, gone and moved, and counts the rest") {
  Plan after = example();
  after.makespan_seconds = 66;
  after.assignments[0].start_seconds = 1;  // a time that moves is no change of what runs where
  after.assignments[1].devices = {0, 1};
  after.assignments[2].task = "late";
  test::check_golden("compare", compare_plans(example(), after, {}));
}

TEST_CASE("equal plans have no table") {
  CHECK(compare_plans(example(), example(), {}) ==
        "makespan 1:15 -> 1:15 (+0.0 %)\n3 tasks stay where they are\n");
}

TEST_CASE("A solve under way tells its value, its bound and who found them") {
  SolveProgress progress;
  CHECK(solve_text(progress) == "no plan yet");
  progress.bound = 110;
  progress.bound_method = "lanes";
  CHECK(solve_text(progress) == "no plan yet, lower bound 1:50");
  progress.value = 114;
  progress.method = "annealing";
  CHECK(solve_text(progress) == "makespan 1:54, lower bound 1:50: gap 3.51 % (annealing; lanes)");
  progress.bound = 114;
  CHECK(solve_text(progress) == "makespan 1:54, lower bound 1:54: proven optimal (annealing; lanes)");
  progress.measure = Objective::Kind::kDeadline;
  progress.bound_method = "";
  CHECK(solve_text(progress) == "device time 1:54, lower bound 1:54: proven optimal (annealing)");
  progress.measure = Objective::Kind::kMeanCompletion;
  progress.bound = 0;
  CHECK(solve_text(progress) == "mean completion 1:54, no lower bound known (annealing)");
}

}  // namespace saturn::plan_report_test
