// SPDX-License-Identifier: Apache-2.0
#include "workload/workload.h"

#include <filesystem>
#include <set>

#include "workload_text.h"

namespace saturn::workload_test {
using test::parse;
using test::with_task;

TEST_CASE("the smallest workload has defaults for everything else") {
  const Workload workload = parse(with_task("name: a, batch_size: 2, steps: 3"));
  CHECK(workload.name == "w");
  CHECK(workload.file == "/w/w.yaml");
  CHECK(workload.seed == 0);
  CHECK(workload.cluster == ClusterSpec{});
  CHECK(workload.profile == ProfileSettings{});
  CHECK(workload.plan == PlanSettings{});
  CHECK(workload.run.directory == (std::filesystem::current_path() / "runs/w").string());
  REQUIRE(workload.tasks.size() == 1);
  const TaskSpec& task = workload.tasks[0];
  CHECK(task.name == "a");
  CHECK(task.batch_size == 2);
  CHECK(task.steps == 3);
  CHECK(task.epochs == 0);
  CHECK(task.data.files == std::vector<std::string>{"/w/x.txt"});
  CHECK(task.optimizer == OptimizerSpec{});
  CHECK(task.mark.line == 3);
}

TEST_CASE("defaults are merged map by map under a task, which wins") {
  const Workload workload = parse(
      "defaults:\n"
      "  model: {layers: 1, heads: 2, width: 8, context: 4}\n"
      "  optimizer: {lr: 1e-2, schedule: {kind: linear, warmup_steps: 2}}\n"
      "  data: {files: [x.txt]}\n"
      "  devices: [1, 2]\n"
      "  steps: 10\n"
      "tasks:\n"
      "  - name: a\n"
      "    model: {layers: 5}\n"
      "    optimizer: {schedule: {kind: cosine}}\n"
      "    data: {files: [y.txt]}\n"
      "    devices: 4\n"
      "    batch_size: 1\n");
  const TaskSpec& task = workload.tasks.at(0);
  CHECK(task.model.gpt == GptModel{5, 2, 8, 4, 256});
  CHECK(task.optimizer.lr == 1e-2);
  CHECK(task.optimizer.schedule == Schedule{"cosine", 2, 0});
  CHECK(task.data.files == std::vector<std::string>{"/w/y.txt"});
  CHECK(task.devices == std::vector<std::int64_t>{4});
  CHECK(task.steps == 10);
}

TEST_CASE("steps of a task take the place of default epochs, and the other way round") {
  const std::string defaults =
      "defaults: {model: {layers: 1, heads: 2, width: 8, context: 4}, data: {files: x}, batch_size: 1, ";
  const Workload steps = parse(defaults + "epochs: 2}\ntasks: [{name: a, steps: 3}]\n");
  CHECK(steps.tasks.at(0).steps == 3);
  CHECK(steps.tasks.at(0).epochs == 0);
  const Workload epochs = parse(defaults + "steps: 2}\ntasks: [{name: a, epochs: 0.5}]\n");
  CHECK(epochs.tasks.at(0).steps == 0);
  CHECK(epochs.tasks.at(0).epochs == 0.5);
  const Workload swept =
      parse(defaults + "steps: 2}\ntasks: [{name: \"a{epochs}\", sweep: {grid: {epochs: [1, 2]}}}]\n");
  CHECK(test::names(swept) == "a1\na2\n");
  CHECK(swept.tasks.at(1).steps == 0);
}

TEST_CASE("a task's seed is the workload's unless it has its own") {
  const Workload workload = parse(with_task(
      "name: a, batch_size: 2, steps: 3}\n  - {name: b, batch_size: 2, steps: 3, seed: 9", "seed: 7\n"));
  CHECK(workload.tasks.at(0).seed == 7);
  CHECK(workload.tasks.at(1).seed == 9);
}

TEST_CASE("anchors and merge keys work in a workload") {
  const Workload workload = parse(
      "tasks:\n"
      "  - &base\n"
      "    name: a\n"
      "    model: &m {layers: 1, heads: 2, width: 8, context: 4}\n"
      "    data: {files: x}\n"
      "    batch_size: 2\n"
      "    steps: 3\n"
      "  - <<: *base\n"
      "    name: b\n"
      "    model: {<<: *m, layers: 2}\n");
  CHECK(test::names(workload) == "a\nb\n");
  CHECK(workload.tasks.at(1).model.gpt == GptModel{2, 2, 8, 4, 256});
  CHECK(workload.tasks.at(1).steps == 3);
}

TEST_CASE("names show values as they were written, and defaults where nothing was") {
  const Workload workload =
      parse(with_task("name: "
                      "\"l{model.layers}-b{batch_size}-lr{optimizer.lr}-{optimizer.schedule.kind}-d{devices}-"
                      "{optimizer.beta1}\", "
                      "batch_size: 8, steps: 3, optimizer: {lr: 3e-4}, devices: [1, 2]"));
  CHECK(test::names(workload) == "l1-b8-lr3e-4-constant-d1-2-0.9\n");
}

TEST_CASE("paths are relative to the workload file") {
  const Workload workload = parse_workload(
      "/w/sub/w.yaml",
      "defaults: {model: {layers: 1, heads: 2, width: 8, context: 4}, batch_size: 1, steps: 1}\n"
      "tasks: [{name: a, data: {files: [../x.txt, /abs/y.txt, \"d/**/*.txt\"]}}]\n"
      "run: {directory: ../out}\n");
  CHECK(workload.tasks.at(0).data.files ==
        std::vector<std::string>{"/w/x.txt", "/abs/y.txt", "/w/sub/d/**/*.txt"});
  CHECK(workload.run.directory == "/w/out");
}

TEST_CASE("the hash follows tasks, parallelisms and cluster, and nothing else") {
  const std::string task = "name: a, batch_size: 2, steps: 3";
  const std::string base = workload_hash(parse(with_task(task)));
  CHECK(base == workload_hash(parse(with_task(task))));
  CHECK(base == workload_hash(parse(with_task(task,
                                              "name: other\nrun: {retries: 5}\nplan: {gap: 0.5}\n"
                                              "profile: {min_steps: 1}\n"))));
  CHECK(base == workload_hash(parse(with_task(task, "# a comment\n\n"))));
  CHECK(base != workload_hash(parse(with_task(task, "cluster: {slots: 2}\n"))));
  CHECK(base != workload_hash(parse(with_task(task, "cluster: {slot_memory: 1GiB}\n"))));
  CHECK(base != workload_hash(parse(with_task(task, "cluster: {nodes: [{name: a, devices: 1}]}\n"))));
  CHECK(base != workload_hash(parse(with_task(task, "parallelisms: [ddp]\n"))));
  CHECK(base != workload_hash(parse(with_task(task, "seed: 1\n"))));
  CHECK(base != workload_hash(parse(with_task("name: b, batch_size: 2, steps: 3"))));
  CHECK(base != workload_hash(parse(with_task("name: a, batch_size: 2, steps: 4"))));
  CHECK(base != workload_hash(parse(with_task("name: a, batch_size: 2, steps: 3, optimizer: {lr: 1}"))));
}

TEST_CASE("the hash tells which task reads which files") {
  const auto hash = [](const std::string& a, const std::string& b) {
    return workload_hash(
        parse("defaults: {model: {layers: 1, heads: 2, width: 8, context: 4}, batch_size: 1, steps: 1}\n"
              "tasks:\n  - {name: a, data: {files: " +
              a + "}}\n  - {name: b, data: {files: " + b + "}}\n"));
  };
  const std::set<std::string> hashes{hash("[x]", "[x]"), hash("[x]", "[y]"),    hash("[y]", "[x]"),
                                     hash("[y]", "[y]"), hash("[x, y]", "[x]"), hash("[x]", "[x, y]")};
  CHECK(hashes.size() == 6);
}

}  // namespace saturn::workload_test
