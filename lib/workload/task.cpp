// SPDX-License-Identifier: Apache-2.0
#include "workload/task.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

#include "workload/data_fit.h"
#include "workload/free_names.h"
#include "workload/limits.h"

namespace saturn {
namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

/// A number in (0, max].
double positive(MapReader& reader, std::string_view key, double fallback, double max) {
  const double number = reader.number(key, fallback, 0, max);
  if (number > 0 || !reader.has(key)) return number;
  reader.error(key, "must be more than 0");
  return fallback;
}

/// A number in [0, 1).
double fraction_below_one(MapReader& reader, std::string_view key, double fallback) {
  const double number = reader.number(key, fallback, 0, 1);
  if (number < 1) return number;
  reader.error(key, "must be less than 1");
  return fallback;
}

std::int64_t required_integer(MapReader& reader, std::string_view key, std::int64_t max) {
  return reader.require(key) ? reader.integer(key, 0, 1, max) : 0;
}

Schedule read_schedule(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "optimizer.schedule", diagnostics);
  Schedule schedule;
  schedule.kind = reader.choice("kind", schedule.kind, {"constant", "linear", "cosine"});
  schedule.warmup_steps = reader.integer("warmup_steps", schedule.warmup_steps, 0, kMostSteps);
  schedule.final_fraction = reader.number("final_fraction", schedule.final_fraction, 0, 1);
  reader.finish();
  return schedule;
}

OptimizerSpec read_optimizer(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "optimizer", diagnostics);
  OptimizerSpec optimizer;
  optimizer.kind = reader.choice("kind", optimizer.kind, {"adamw"});
  optimizer.lr = positive(reader, "lr", optimizer.lr, 1000);
  optimizer.weight_decay = reader.number("weight_decay", optimizer.weight_decay, 0, 1000);
  optimizer.beta1 = fraction_below_one(reader, "beta1", optimizer.beta1);
  optimizer.beta2 = fraction_below_one(reader, "beta2", optimizer.beta2);
  optimizer.epsilon = positive(reader, "epsilon", optimizer.epsilon, 1);
  optimizer.clip = reader.number("clip", optimizer.clip, 0, 1e9);
  if (const Value* schedule = reader.value("schedule"))
    optimizer.schedule = read_schedule(*schedule, diagnostics);
  reader.finish();
  return optimizer;
}

void read_same_speed(MapReader& reader, TaskSpec& task) {
  task.same_speed = reader.texts("same_speed");
  std::vector<std::string> names;
  for (const auto& [name, value] : task.arguments) names.push_back(name);
  for (const std::string& name : task.same_speed) {
    if (task.arguments.contains(name)) continue;
    reader.error("same_speed", fmt::format("names '{}', which is none of the task's arguments{}", name,
                                           did_you_mean(name, names)));
  }
}

/// What is trained. A script brings its own model and data; one that names either gives both.
void read_subject(MapReader& reader, TaskSpec& task) {
  Diagnostics& diagnostics = reader.diagnostics();
  const Value* model = reader.value("model");
  const Value* data = reader.value("data");
  task.script = reader.value("arguments") != nullptr;
  if (task.script)
    task.arguments = read_free_scalars(*reader.value("arguments"), "arguments", "argument", diagnostics);
  read_same_speed(reader, task);
  const bool own = task.script && model == nullptr && data == nullptr;
  if (own) task.model.kind = task.data.kind = "";
  if (!own && reader.require("model")) task.model = read_model(*model, diagnostics);
  if (!own && reader.require("data")) task.data = read_data(*data, diagnostics);
}

/// A script validates when it likes; any other task when the workload says so.
void read_stop(MapReader& reader, TaskSpec& task) {
  const Value* stop = reader.value("stop");
  if (stop == nullptr) return;
  task.stop = read_stop_rule(*stop, reader.diagnostics());
  if (task.script || stop->kind != Value::Kind::kMap) return;
  for (const char* key : {"validation_loss", "patience"}) {
    const Value* found = stop->find(key);
    if (found == nullptr) continue;
    const auto needs = [&](const char* what) {
      reader.diagnostics().error(found->mark, fmt::format("stop: '{}' needs {}", key, what));
    };
    if (task.validate_every_steps == 0) needs("validations on the way: give the task 'validate_every_steps'");
    if (!holds_out(task.data))
      needs("held-out data: give data 'validation_files' or a 'validation_fraction' of more than 0");
  }
}

void read_amounts(MapReader& reader, TaskSpec& task) {
  task.batch_size = task.script ? reader.integer("batch_size", 0, 1, kMostBatch)
                                : required_integer(reader, "batch_size", kMostBatch);
  task.micro_batch_size = reader.integer("micro_batch_size", 0, 0, kMostBatch);
  if (task.batch_size > 0 && task.micro_batch_size > 0 && task.batch_size % task.micro_batch_size != 0)
    reader.error("micro_batch_size", fmt::format("is {}, which does not divide batch_size {}",
                                                 task.micro_batch_size, task.batch_size));
  task.precision = reader.choice("precision", task.precision, {"fp32", "bf16", "fp64"});
  task.epochs = reader.number("epochs", 0, 0, 1e9);
  task.steps = reader.integer("steps", 0, 0, kMostSteps);
  task.seed = static_cast<std::uint64_t>(reader.integer("seed", 0, 0, kLargest));
  task.devices = reader.integers("devices", 1, kMostDevices);
  std::sort(task.devices.begin(), task.devices.end());
  task.devices.erase(std::unique(task.devices.begin(), task.devices.end()), task.devices.end());
  task.across_nodes = reader.integer("across_nodes", 1, 1, kMostDevices);
  if (task.script && task.across_nodes > 1)
    reader.error("across_nodes", "is for tasks with a model: a script is started on one node");
  task.parallelisms = reader.texts("parallelisms");
  task.checkpoint_every_steps = reader.integer("checkpoint_every_steps", 0, 0, kMostSteps);
  task.validate_every_steps = reader.integer("validate_every_steps", 0, 0, kMostSteps);
  read_stop(reader, task);
}

/// What can be told without a look at the files.
void check_together(MapReader& reader, const TaskSpec& task) {
  const Value* model = reader.value("model");
  Content content;
  if (model == nullptr || task.data.kind.empty() || !known_content(task.data.kind, content)) return;
  report_misfit(*model, find_misfit(task.model, task.data.kind, content), reader.diagnostics());
}

nlohmann::ordered_json to_json(const OptimizerSpec& o) {
  return {{"kind", o.kind},
          {"lr", o.lr},
          {"weight_decay", o.weight_decay},
          {"beta1", o.beta1},
          {"beta2", o.beta2},
          {"epsilon", o.epsilon},
          {"clip", o.clip},
          {"schedule",
           {{"kind", o.schedule.kind},
            {"warmup_steps", o.schedule.warmup_steps},
            {"final_fraction", o.schedule.final_fraction}}}};
}

}  // namespace

nlohmann::ordered_json to_json(const TaskSpec& task) {
  nlohmann::ordered_json json = {{"name", task.name}};
  if (!task.model.kind.empty()) {
    json["model"] = to_json(task.model);
    json["data"] = to_json(task.data);
  }
  if (!task.model.plugin.content.empty()) json["library_content"] = task.model.plugin.content;
  if (task.script) {
    json["arguments"] = task.arguments;
    json["same_speed"] = task.same_speed;
  }
  json["optimizer"] = to_json(task.optimizer);
  if (task.batch_size > 0) json["batch_size"] = task.batch_size;
  json["micro_batch_size"] = task.micro_batch_size;
  json["precision"] = task.precision;
  json["epochs"] = task.epochs;
  json["steps"] = task.steps;
  json["seed"] = task.seed;
  json["devices"] = task.devices;
  if (task.across_nodes > 1) json["across_nodes"] = task.across_nodes;
  json["parallelisms"] = task.parallelisms;
  json["checkpoint_every_steps"] = task.checkpoint_every_steps;
  json["validate_every_steps"] = task.validate_every_steps;
  if (!task.stop.empty()) json["stop"] = to_json(task.stop);
  return json;
}

TaskSpec task_from_value(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "task", diagnostics);
  TaskSpec task = read_task_fields(reader);
  task.model.plugin.content = reader.text("library_content");
  reader.finish();
  return task;
}

TaskSpec read_task_fields(MapReader& reader) {
  Diagnostics& diagnostics = reader.diagnostics();
  TaskSpec task;
  task.mark = reader.mark();
  if (reader.require("name")) task.name = reader.text("name");
  read_subject(reader, task);
  if (const Value* optimizer = reader.value("optimizer"))
    task.optimizer = read_optimizer(*optimizer, diagnostics);
  read_amounts(reader, task);
  check_together(reader, task);
  return task;
}

namespace {

std::string arguments_signature(const TaskSpec& task) {
  if (!task.script) return "";
  std::string text = "; arguments";
  for (const auto& [name, value] : task.arguments) {
    const auto& same = task.same_speed;
    if (std::find(same.begin(), same.end(), name) == same.end())
      text += " " + name + "=" + nlohmann::json(value).dump();  // quoted: two texts never look like one
  }
  return text;
}

}  // namespace

std::string speed_signature(const TaskSpec& task) {
  const std::string arguments = arguments_signature(task);
  if (task.model.kind.empty())
    return fmt::format("script batch={} micro={}{}", task.batch_size, task.micro_batch_size, arguments);
  return fmt::format("{}; {} validation={}; {}{}; {} batch={} micro={}{}", describe(task.model),
                     task.data.kind, holds_out(task.data) ? task.data.validation_batches : 0,
                     task.optimizer.kind, task.optimizer.clip > 0 ? " clip" : "", task.precision,
                     task.batch_size, task.micro_batch_size, arguments);
}

}  // namespace saturn
