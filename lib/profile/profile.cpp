// SPDX-License-Identifier: Apache-2.0
#include "profile/profile.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/file.h"

namespace saturn {
namespace {

constexpr const char* kSchema = "saturn.profile/1";
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kMostInteger = std::numeric_limits<std::int64_t>::max();

auto key_of(const Trial& trial) {
  return std::tie(trial.signature, trial.parallelism, trial.device_kind, trial.devices, trial.nodes);
}

double speed_of(const Trial& trial) {
  const auto* measured = std::get_if<Measured>(&trial.outcome);
  return measured == nullptr ? kInfinity : measured->step_seconds;
}

std::string required_text(MapReader& reader, std::string_view key) {
  return reader.require(key) ? reader.text(key) : "";
}

double required_seconds(MapReader& reader, std::string_view key) {
  return reader.require(key) ? reader.seconds(key, 0) : 0;
}

Knobs knobs_from(MapReader& reader) {
  Knobs knobs;
  const Value* map = reader.value("knobs");
  if (map == nullptr) return knobs;
  if (map->kind != Value::Kind::kMap) {
    reader.error("knobs", "must be a map, not " + describe(*map));
    return knobs;
  }
  for (const Value::Member& member : map->members) {
    if (member.value.kind == Value::Kind::kScalar) {
      knobs[member.key] = member.value.scalar;
    } else {
      reader.diagnostics().error(member.value.mark, reader.what() + ": knob '" + member.key +
                                                        "' must be a text, not " + describe(member.value));
    }
  }
  return knobs;
}

Measured measured_from(MapReader& reader) {
  Measured measured;
  if (reader.require("step_seconds")) measured.step_seconds = reader.seconds("step_seconds", 1);
  if (reader.has("step_seconds") && measured.step_seconds <= 0) {
    reader.error("step_seconds", "must be more than 0");
  }
  measured.spread = reader.number("spread", 0, 0, 1e9);
  measured.steps = reader.integer("steps", 0, 0, kMostInteger);
  measured.peak_memory_bytes = reader.bytes("peak_memory_bytes", 0);
  measured.startup_seconds = required_seconds(reader, "startup_seconds");
  measured.checkpoint_seconds = required_seconds(reader, "checkpoint_seconds");
  measured.checkpoint_held_seconds = reader.seconds("checkpoint_held_seconds", measured.checkpoint_seconds);
  measured.validation_seconds = required_seconds(reader, "validation_seconds");
  measured.unstable = reader.boolean("unstable", false);
  measured.total_steps = reader.integer("total_steps", 0, 0, kMostInteger);
  return measured;
}

Outcome outcome_from(MapReader& reader) {
  if (!reader.require("outcome")) return {};
  const std::string kind =
      reader.choice("outcome", "", {"measured", "out_of_memory", "not_applicable", "failed"});
  if (kind == "measured") return measured_from(reader);
  if (kind == "out_of_memory") return OutOfMemory{reader.text("message")};
  if (kind == "not_applicable") return NotApplicable{reader.text("why")};
  if (kind == "failed") return TrialFailed{reader.text("why"), reader.text("log_tail")};
  return {};
}

Profile::TaskEntry entry_from(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "task", diagnostics);
  Profile::TaskEntry entry{required_text(reader, "task"), required_text(reader, "signature")};
  reader.finish();
  return entry;
}

/// Calls `read` with every item of the list under `key`, which must be there.
template <typename Read>
void for_each_item(MapReader& reader, std::string_view key, Read read) {
  if (!reader.require(key)) return;
  const Value* list = reader.value(key);
  if (list->kind != Value::Kind::kList) {
    reader.error(key, "must be a list, not " + describe(*list));
    return;
  }
  for (const Value& item : list->items) read(item);
}

}  // namespace

void order_trials(std::vector<Trial>& trials) {
  std::stable_sort(trials.begin(), trials.end(), [](const Trial& a, const Trial& b) {
    return std::tuple_cat(key_of(a), std::make_tuple(speed_of(a))) <
           std::tuple_cat(key_of(b), std::make_tuple(speed_of(b)));
  });
}

const Trial* best_trial(const Profile& profile, const std::string& signature, const std::string& parallelism,
                        std::int64_t devices, const std::string& device_kind, std::int64_t nodes) {
  const Trial* best = nullptr;
  for (const Trial& trial : profile.trials) {
    if (key_of(trial) != std::tie(signature, parallelism, device_kind, devices, nodes)) continue;
    if (speed_of(trial) < (best == nullptr ? kInfinity : speed_of(*best))) best = &trial;
  }
  return best;
}

std::int64_t steps_told(const Profile& profile, const TaskSpec& task) {
  const std::string signature = speed_signature(task);
  for (const Trial& trial : profile.trials) {
    const auto* measured = std::get_if<Measured>(&trial.outcome);
    if (trial.signature == signature && measured != nullptr && measured->total_steps > 0)
      return measured->total_steps;
  }
  return 0;
}

nlohmann::ordered_json to_json(const Trial& trial) {
  nlohmann::ordered_json json = {
      {"signature", trial.signature}, {"parallelism", trial.parallelism}, {"devices", trial.devices}};
  if (trial.nodes > 1) json["nodes"] = trial.nodes;
  json["device_kind"] = trial.device_kind;
  json["knobs"] = trial.knobs;
  json.update(to_json(trial.outcome));
  return json;
}

Trial trial_from_value(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "trial", diagnostics);
  Trial trial;
  trial.signature = required_text(reader, "signature");
  trial.parallelism = required_text(reader, "parallelism");
  if (reader.require("devices")) trial.devices = reader.integer("devices", 0, 1, 1 << 20);
  trial.nodes = reader.integer("nodes", 1, 1, 1 << 20);
  if (trial.devices > 0 && trial.devices % trial.nodes != 0)
    reader.error("nodes",
                 fmt::format("is {}, by which 'devices' ({}) cannot be divided", trial.nodes, trial.devices));
  trial.device_kind = required_text(reader, "device_kind");
  trial.knobs = knobs_from(reader);
  trial.outcome = outcome_from(reader);
  reader.finish();
  return trial;
}

nlohmann::ordered_json to_json(const Profile& profile) {
  nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
  for (const auto& entry : profile.tasks) {
    tasks.push_back({{"task", entry.task}, {"signature", entry.signature}});
  }
  nlohmann::ordered_json trials = nlohmann::ordered_json::array();
  for (const Trial& trial : profile.trials) trials.push_back(to_json(trial));
  return {{"schema", kSchema},
          {"hardware", profile.hardware},
          {"trials_key", profile.trials_key},
          {"tasks", std::move(tasks)},
          {"trials", std::move(trials)}};
}

Profile read_profile(const std::filesystem::path& file) {
  const Document document = read_json(file.string());
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "profile", diagnostics);
  if (reader.require("schema")) reader.choice("schema", kSchema, {kSchema});
  Profile profile;
  profile.hardware = required_text(reader, "hardware");
  profile.trials_key = reader.text("trials_key");
  for_each_item(reader, "tasks",
                [&](const Value& item) { profile.tasks.push_back(entry_from(item, diagnostics)); });
  for_each_item(reader, "trials",
                [&](const Value& item) { profile.trials.push_back(trial_from_value(item, diagnostics)); });
  reader.finish();
  diagnostics.throw_if_any();
  order_trials(profile.trials);  // an edited file may have moved them
  return profile;
}

void write_profile(const std::filesystem::path& file, const Profile& profile) {
  // A log's tail may hold bytes that are no UTF-8.
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  write_file_atomically(file, to_json(profile).dump(2, ' ', false, kReplace) + "\n");
}

std::string profile_hash(const Profile& profile) {
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  return content_hash(to_json(profile).dump(-1, ' ', false, kReplace));
}

}  // namespace saturn
