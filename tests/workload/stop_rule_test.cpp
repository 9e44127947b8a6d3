// SPDX-License-Identifier: Apache-2.0
#include "workload/stop_rule.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "workload_text.h"

namespace saturn::stop_rule_test {
using test::problems;
using test::with_task;

namespace {

using Points = std::vector<ValidationPoint>;

/// A validation every 100 steps.
Points every_hundred(const std::vector<double>& losses) {
  Points points;
  for (const double loss : losses)
    points.push_back({static_cast<std::int64_t>(points.size() + 1) * 100, loss});
  return points;
}

std::string wrong(const std::string& keys) {
  return problems(with_task("name: a, batch_size: 1, steps: 5, validate_every_steps: 2, stop: " + keys));
}

}  // namespace

TEST_CASE("a target is reached at the first validation at or below it") {
  const StopRule rule{.validation_loss = 1.5};
  CHECK(reason_to_stop(rule, {}, 1e9).empty());
  CHECK(reason_to_stop(rule, every_hundred({2, 1.50001}), 1e9).empty());
  CHECK(reason_to_stop(rule, every_hundred({2, 1.75, 1.625, 1.48}), 0) ==
        "validation loss 1.48 at step 400 reached the target 1.5");
  CHECK(reason_to_stop(rule, every_hundred({2, 1.5}), 0) ==
        "validation loss 1.5 at step 200 reached the target 1.5");
  CHECK(reason_to_stop(rule, every_hundred({1.4, 9}), 0) ==
        "validation loss 1.4 at step 100 reached the target 1.5");
  CHECK(reason_to_stop(rule, every_hundred({NAN, HUGE_VAL}), 0).empty());
  CHECK(reason_to_stop({.validation_loss = -2}, every_hundred({-2.5}), 0) ==
        "validation loss -2.5 at step 100 reached the target -2");
}

TEST_CASE("patience counts validations in a row that do not improve") {
  const StopRule rule{.patience = 3};
  CHECK(reason_to_stop(rule, every_hundred({2, 2, 2}), 0).empty());
  CHECK(reason_to_stop(rule, every_hundred({2, 2, 2.5, 1.9, 3, 3}), 0).empty());
  CHECK(reason_to_stop(rule, every_hundred({2, 1.52, 1.52, 1.6, 1.53}), 0) ==
        "no improvement on 1.52 (step 200) in 3 validations");
  CHECK(reason_to_stop({.patience = 1}, every_hundred({2, 3}), 0) ==
        "no improvement on 2 (step 100) in 1 validation");
  // What comes after the end does not change the reason.
  CHECK(reason_to_stop(rule, every_hundred({1, 2, 2, 2, 0.5, 0.4}), 0) ==
        "no improvement on 1 (step 100) in 3 validations");
}

TEST_CASE("an improvement that is too small does not count, and is not measured from") {
  const StopRule rule{.patience = 2, .min_improvement = 0.25};
  CHECK(reason_to_stop(rule, every_hundred({2, 1.75, 1.5, 1.25}), 0).empty());
  CHECK(reason_to_stop(rule, every_hundred({2, 1.875, 1.75, 1.625}), 0).empty());
  CHECK(reason_to_stop(rule, every_hundred({2, 1.875, 1.8125}), 0) ==
        "no improvement of 0.25 on 2 (step 100) in 2 validations");
}

TEST_CASE("a loss that is no finite number improves on nothing") {
  const StopRule rule{.patience = 2, .min_improvement = 0.1};
  CHECK(reason_to_stop(rule, every_hundred({NAN, NAN}), 0) ==
        "the validation loss was no finite number in 2 validations");
  CHECK(reason_to_stop(rule, every_hundred({NAN, 3, NAN}), 0).empty());
  CHECK(reason_to_stop(rule, every_hundred({NAN, 3, NAN, HUGE_VAL}), 0) ==
        "no improvement of 0.1 on 3 (step 200) in 2 validations");
}

TEST_CASE("time is the last thing asked, and the first validation that ends it the first") {
  StopRule rule{.after_seconds = 7200};
  CHECK(reason_to_stop(rule, {}, 7199.9).empty());
  CHECK(reason_to_stop(rule, {}, 7200) == "2:00:00 of training are used up");
  rule.validation_loss = 1;
  rule.patience = 2;
  CHECK(reason_to_stop(rule, every_hundred({2, 2.5}), 8000) == "2:00:00 of training are used up");
  CHECK(reason_to_stop(rule, every_hundred({2, 2.5, 2.5, 0.5}), 8000) ==
        "no improvement on 2 (step 100) in 2 validations");
  CHECK(reason_to_stop({}, every_hundred({1, 2, 3, 4}), 1e12).empty());
}

TEST_CASE("of two validations of one step the later one counts") {
  Points points = every_hundred({3, 2});
  add_validation(points, {200, 1.5});
  add_validation(points, {300, 1});
  CHECK(points == every_hundred({3, 1.5, 1}));
}

TEST_CASE("a stop rule is read from a task, its defaults and its sweep") {
  const Workload workload = test::parse(
      "defaults:\n"
      "  model: {layers: 1, heads: 2, width: 8, context: 4}\n"
      "  data: {files: x.txt}\n"
      "  batch_size: 1\n"
      "  steps: 9\n"
      "  validate_every_steps: 2\n"
      "  stop: {patience: 4, after: 1h30m}\n"
      "tasks:\n"
      "  - {name: a}\n"
      "  - {name: b, stop: {validation_loss: -1.5, min_improvement: 0.5}}\n"
      "  - {name: 'c{stop.patience}', sweep: {grid: {stop.patience: [1, 2]}}}\n");
  CHECK(test::names(workload) == "a\nb\nc1\nc2\n");
  CHECK(workload.tasks[0].stop == StopRule{{}, 4, 0, 5400});
  CHECK(workload.tasks[1].stop == StopRule{-1.5, 4, 0.5, 5400});
  CHECK(workload.tasks[2].stop == StopRule{{}, 1, 0, 5400});
  CHECK(to_json(workload.tasks[1].stop).dump() ==
        R"({"validation_loss":-1.5,"patience":4,"min_improvement":0.5,"after":5400.0})");
  CHECK(to_json(StopRule{}).dump() == "{}");
  CHECK(test::parse(with_task("name: a, batch_size: 1, steps: 5, stop: {after: 1m}")).tasks[0].stop ==
        StopRule{{}, 0, 0, 60});
}

TEST_CASE("what is wrong with a stop rule is said with its place") {
  CHECK(wrong("{}") == "3:71 stop is empty: give 'validation_loss', 'patience' or 'after'\n");
  CHECK(wrong("5") == "3:71 stop must be a map (keys with values), not the number 5\n");
  CHECK(wrong("{patience: 0, after: 0s}") ==
        "3:82 stop: 'patience' must be at least 1, not 0\n"
        "3:92 stop: 'after' must be more than 0\n");
  CHECK(wrong("{patience: -2, min_improvement: -0.1, after: -5m}") ==
        "3:82 stop: 'patience' must be at least 1, not -2\n"
        "3:103 stop: 'min_improvement' must be at least 0, not -0.1\n"
        "3:116 stop: 'after' must be a duration such as 90s, 5m or 1h30m, not the text '-5m'\n");
  CHECK(wrong("{validation_loss: low, patience: 2.5, after: [1]}") ==
        "3:89 stop: 'validation_loss' must be a number, not the text 'low'\n"
        "3:104 stop: 'patience' must be a whole number, not the number 2.5\n"
        "3:116 stop: 'after' must be a duration such as 90s, 5m or 1h30m, not a list\n");
  CHECK(wrong("{validation_loss: .nan}") ==
        "3:89 stop: 'validation_loss' must be a number, not the text '.nan'\n");
  CHECK(wrong("{validation_loss: 1, min_improvement: 0.1}") ==
        "3:109 stop: 'min_improvement' needs 'patience': it says what counts as an improvement\n");
  CHECK(wrong("{patiense: 3}") == "3:72 stop: unknown key 'patiense' (did you mean 'patience'?)\n");
  CHECK(wrong("{loss: 3}") ==
        "3:72 stop: unknown key 'loss'; known keys: validation_loss, patience, min_improvement, after\n");
}

TEST_CASE("a rule about validations needs some") {
  CHECK(problems(with_task("name: a, batch_size: 1, steps: 5, stop: {validation_loss: 1, patience: 2}")) ==
        "3:64 stop: 'validation_loss' needs validations on the way: give the task 'validate_every_steps'\n"
        "3:77 stop: 'patience' needs validations on the way: give the task 'validate_every_steps'\n");
  CHECK(problems(with_task("name: a, batch_size: 1, steps: 5, validate_every_steps: 1, stop: {patience: 2},\n"
                           "     data: {validation_fraction: 0}")) ==
        "3:82 stop: 'patience' needs held-out data: give data 'validation_files' or a 'validation_fraction' "
        "of more than 0\n");
  CHECK(problems("tasks: [{name: a, arguments: {}, stop: {validation_loss: 1, patience: 2}}]\n").empty());
}

}  // namespace saturn::stop_rule_test
