// SPDX-License-Identifier: Apache-2.0
#include "run/requests.h"

#include <doctest/doctest.h>
#include <thread>

#include "base/error.h"
#include "temporary_directory.h"

namespace saturn::requests_test {
namespace {

TaskSpec task_named(const std::string& name) {
  TaskSpec task;
  task.name = name;
  task.script = true;
  task.model.kind = task.data.kind = "";
  task.steps = 10;
  return task;
}

std::vector<std::string> names_of(const std::vector<TaskSpec>& tasks) {
  std::vector<std::string> names;
  for (const TaskSpec& task : tasks) names.push_back(task.name);
  return names;
}

TEST_CASE("what was dropped stays dropped, what was added stays, whatever the workload says later") {
  const RunIdentity run{
      "/w.yaml", {task_named("a"), task_named("more"), task_named("twice")}, {"b"}, {"more", "twice"}};
  const std::vector<TaskSpec> of_workload = {task_named("a"), task_named("b"), task_named("c"),
                                             task_named("twice")};
  CHECK(names_of(amended(of_workload, run)) == std::vector<std::string>{"a", "c", "twice", "more"});
  CHECK(names_of(amended(of_workload, {"/w.yaml", of_workload})) == names_of(of_workload));
  // One that was added under the name of one that was dropped takes its place.
  TaskSpec other = task_named("b");
  other.seed = 7;
  const auto tasks = amended(of_workload, {"/w.yaml", {task_named("a"), other}, {"b"}, {"b"}});
  REQUIRE(names_of(tasks) == std::vector<std::string>{"a", "c", "twice", "b"});
  CHECK(tasks.back().seed == 7);
}

TEST_CASE("the run's identity reads back the same, with what was dropped and added") {
  const test::TemporaryDirectory directory;
  const RunDirectory run{directory / "run"};
  make_directories(run.path);
  const RunIdentity identity{"/w.yaml", {task_named("a"), task_named("b")}, {"x"}, {"b"}};
  write_file_atomically(run.run_file(), to_text(identity));
  const RunIdentity read = read_run_identity(run);
  CHECK(read.dropped == identity.dropped);
  CHECK(read.added == identity.added);
  CHECK(differences(identity, read).empty());
}

TEST_CASE("a request reaches the run that goes on, and its answer comes back") {
  const test::TemporaryDirectory directory;
  const RunDirectory run{directory / "run"};
  const RunLock lock(run);
  write_file_atomically(run.request_file(), "left by somebody");
  const auto requests = make_directory_requests(run);
  CHECK_FALSE(requests->take().has_value());
  const Cluster cluster{{{"n", "cpu", {{0, {1, 2}, 5, "", ""}}}}};
  BudgetSettings budget;
  budget.deadline = BudgetSettings::Deadline::kAfter;
  budget.deadline_seconds = 7200;
  budget.deadline_text = "2h";
  budget.device_hours = 1.5;
  const RunChange change{"7", {"/w.yaml", {task_named("a")}, {"b"}, {}}, {task_named("a")}, cluster, budget};
  std::optional<RunAnswer> answer;
  std::thread asking([&] { answer = ask_run(run, change, SteadyClock(), Seconds(20)); });
  std::optional<RunChange> taken;
  const SteadyClock clock;
  const Seconds limit = clock.now() + Seconds(20);
  while (!taken && clock.now() < limit) taken = requests->take();
  if (taken) requests->answer({taken->id, true, "done\nand more"});
  asking.join();
  REQUIRE(taken.has_value());
  CHECK(taken->id == "7");
  CHECK(taken->run.dropped == std::vector<std::string>{"b"});
  CHECK(names_of(taken->tasks) == std::vector<std::string>{"a"});
  CHECK(taken->cluster == cluster);
  CHECK(taken->budget == budget);
  REQUIRE(answer.has_value());
  CHECK(answer->taken);
  CHECK(answer->text == "done\nand more");
  CHECK_FALSE(std::filesystem::exists(run.request_file()));
}

TEST_CASE("a request that cannot be read is answered, and a run that has ended is noticed") {
  const test::TemporaryDirectory directory;
  const RunDirectory run{directory / "run"};
  make_directories(run.path);
  CHECK_FALSE(ask_run(run, {"1", {}, {}}, SteadyClock(), Seconds(20)).has_value());
  CHECK_FALSE(std::filesystem::exists(run.request_file()));
  const auto requests = make_directory_requests(run);
  write_file_atomically(run.request_file(), "{\"schema\": \"saturn.request/9\"}");
  CHECK_FALSE(requests->take().has_value());
  CHECK(std::filesystem::exists(run.answer_file()));
  CHECK_FALSE(std::filesystem::exists(run.request_file()));
}

}  // namespace
}  // namespace saturn::requests_test
