// SPDX-License-Identifier: Apache-2.0
#include "workload/workload_text.h"

namespace saturn::script_task_test {

namespace {

std::string script(const std::string& keys) {
  return "tasks: [{name: a, " + keys + "}]\n";
}

}  // namespace

TEST_CASE("a task with arguments needs neither model, data, batch size nor steps") {
  const Workload workload = test::parse(script("arguments: {lr: 3e-4, on: true, text: 'a b'}"));
  const TaskSpec& task = workload.tasks.at(0);
  CHECK(task.script);
  CHECK(task.arguments ==
        std::map<std::string, std::string>{{"lr", "3e-4"}, {"on", "true"}, {"text", "a b"}});
  CHECK(task.steps == 0);
  CHECK(test::parse(script("arguments: {}")).tasks.at(0).script);
}

TEST_CASE("arguments can be swept and stand in names") {
  const std::string text =
      "tasks:\n"
      "  - name: 'a{arguments.lr}-{arguments.n}'\n"
      "    arguments: {n: 1}\n"
      "    same_speed: lr\n"
      "    sweep: {grid: {arguments.lr: [1e-3, 0.01]}, random: {count: 1, over: {arguments.n: [7]}}}\n";
  CHECK(test::names(test::parse(text)) == "a1e-3-7\na0.01-7\n");
}

TEST_CASE("what is wrong with a script's task") {
  CHECK(test::problems(script("arguments: {a: [1], b.c: 2}, same_speed: [aa]")) ==
        "1:34 arguments: 'a' must be a text, not a list\n"
        "1:39 arguments: 'b.c' names no argument (letters, digits, _ and - only)\n"
        "1:60 task: 'same_speed' names 'aa', which is none of the task's arguments (did you mean 'a'?)\n");
  CHECK(test::problems(script("arguments: [1]")).starts_with("1:30 arguments must be a map"));
  CHECK(test::problems(script("arguments: {}, epochs: 2")) ==
        "1:42 task: 'epochs' needs 'data'; give a script 'steps' (what it counts), or nothing\n");
  CHECK(test::problems(script("arguments: {}, steps: 0")) == "1:41 task: 'steps' must be more than 0\n");
  CHECK(
      test::problems(script("arguments: {}, steps: 1, model: {layers: 1, heads: 1, width: 8, context: 4}")) ==
      "1:9 task: missing key 'data'\n");
  CHECK(test::problems("tasks: [{name: '{arguments.lr}', arguments: {}}]\n") ==
        "1:16 task: name: the task has no 'arguments.lr'\n");
}

}  // namespace saturn::script_task_test
