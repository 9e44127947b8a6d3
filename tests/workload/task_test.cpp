// SPDX-License-Identifier: Apache-2.0
#include "workload/task.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "workload/knobs.h"

namespace saturn::task_test {

namespace {

TaskSpec example() {
  TaskSpec task;
  task.name = "a";
  task.model.gpt = {2, 4, 64, 32, 300};
  task.data = {"text", {"/x", "/y"}, 0.125, 3};
  task.optimizer = {"adamw", 3e-4, 0.1, 0.8, 0.95, 1e-7, 1.5, {"cosine", 7, 0.25}};
  task.batch_size = 12;
  task.micro_batch_size = 4;
  task.epochs = 0.5;
  task.steps = 99;
  task.seed = 5;
  task.devices = {1, 2};
  task.parallelisms = {"ddp"};
  task.checkpoint_every_steps = 10;
  task.validate_every_steps = 20;
  task.stop = {1.5, 3, 0.001, 7200};
  return task;
}

template <typename Change>
std::string signature_after(Change change) {
  TaskSpec task = example();
  change(task);
  return speed_signature(task);
}

}  // namespace

TEST_CASE("a task comes back from its JSON as it was") {
  const TaskSpec task = example();
  const Document document = parse_json("t.json", to_json(task).dump(2));
  Diagnostics diagnostics(document);
  const TaskSpec again = task_from_value(document.root, diagnostics);
  CHECK_FALSE(diagnostics.any());
  CHECK(to_json(again) == to_json(task));
  CHECK(again.optimizer == task.optimizer);
  CHECK(again.model == task.model);
  CHECK(again.data == task.data);
  CHECK(again.stop == task.stop);
}

TEST_CASE("what is wrong with a task's JSON is reported with its place") {
  const Document document =
      parse_json("t.json", "{\"name\": \"a\",\n \"data\": {\"files\": []}, \"batch\": 1}");
  Diagnostics diagnostics(document);
  (void)task_from_value(document.root, diagnostics);
  CHECK_THROWS_WITH_AS(
      diagnostics.throw_if_any(),
      "t.json:1:1: error: task: missing key 'batch_size'\n"
      "     1 | {\"name\": \"a\",\n"
      "       | ^\n"
      "t.json:1:1: error: task: missing key 'model'\n"
      "     1 | {\"name\": \"a\",\n"
      "       | ^\n"
      "t.json:2:25: error: task: unknown key 'batch'; known keys: name, model, data, "
      "arguments, same_speed, optimizer, "
      "batch_size, micro_batch_size, precision, epochs, steps, seed, devices, across_nodes, parallelisms, "
      "checkpoint_every_steps, validate_every_steps, stop, library_content\n"
      "     2 |  \"data\": {\"files\": []}, \"batch\": 1}\n"
      "       |                         ^",
      InputError);
}

TEST_CASE("tasks that differ in what cannot change their speed share a signature") {
  const std::string same = speed_signature(example());
  CHECK(
      same ==
      "gpt layers=2 heads=4 width=64 context=32 vocabulary=300; text validation=3; adamw clip; fp32 batch=12 "
      "micro=4");
  CHECK(same == signature_after([](TaskSpec& t) { t.name = "b"; }));
  CHECK(same == signature_after([](TaskSpec& t) { t.seed = 6; }));
  CHECK(same == signature_after([](TaskSpec& t) { t.stop = {}; }));
  CHECK(same == signature_after([](TaskSpec& t) { t.optimizer.lr = 1; }));
  CHECK(same == signature_after([](TaskSpec& t) { t.optimizer.schedule.kind = "linear"; }));
  CHECK(same == signature_after([](TaskSpec& t) { t.steps = 1, t.epochs = 0; }));
  CHECK(same == signature_after([](TaskSpec& t) { t.data.files = {"/z"}; }));
}

TEST_CASE("tasks that differ in their work have different signatures") {
  const std::string base = speed_signature(example());
  CHECK(base != signature_after([](TaskSpec& t) { t.model.gpt.layers = 3; }));
  CHECK(base != signature_after([](TaskSpec& t) { t.model.gpt.heads = 2; }));
  CHECK(base != signature_after([](TaskSpec& t) { t.model.gpt.width = 128; }));
  CHECK(base != signature_after([](TaskSpec& t) { t.model.gpt.context = 64; }));
  CHECK(base != signature_after([](TaskSpec& t) { t.model.gpt.vocabulary = 256; }));
  CHECK(base != signature_after([](TaskSpec& t) { t.batch_size = 24; }));
  CHECK(base != signature_after([](TaskSpec& t) { t.micro_batch_size = 2; }));
  CHECK(base != signature_after([](TaskSpec& t) { t.optimizer.clip = 0; }));
}

TEST_CASE("knobs print in the order of their names") {
  CHECK(to_text(Knobs{{"schedule", "1f1b"}, {"bucket_mb", "25"}}) == "bucket_mb=25 schedule=1f1b");
  CHECK(to_text(Knobs{}).empty());
}

TEST_CASE("a script's task comes back from its JSON as it was, without model and data") {
  TaskSpec task;
  task.name = "s";
  task.model.kind = task.data.kind = "";
  task.script = true;
  task.arguments = {{"lr", "3e-4"}, {"depth", "2"}};
  task.same_speed = {"lr"};
  const Document document = parse_json("t.json", to_json(task).dump(2));
  Diagnostics diagnostics(document);
  const TaskSpec again = task_from_value(document.root, diagnostics);
  CHECK_FALSE(diagnostics.any());
  CHECK(to_json(again) == to_json(task));
  CHECK(again.script);
  CHECK(again.arguments == task.arguments);
  CHECK(again.model.kind.empty());
  CHECK_FALSE(to_json(task).contains("model"));
}

TEST_CASE("arguments are part of the signature, but those of same_speed") {
  const auto signature = [](std::map<std::string, std::string> arguments) {
    TaskSpec task;
    task.model.kind = "", task.script = true, task.same_speed = {"lr"};
    task.arguments = std::move(arguments);
    return speed_signature(task);
  };
  CHECK(signature({{"lr", "1"}, {"d", "2"}}) == signature({{"lr", "3"}, {"d", "2"}}));
  CHECK(signature({{"lr", "1"}, {"d", "2"}}) != signature({{"lr", "1"}, {"d", "3"}}));
  CHECK(signature({{"a", "1 b=2"}}) != signature({{"a", "1"}, {"b", "2"}}));
}

}  // namespace saturn::task_test
