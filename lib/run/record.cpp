// SPDX-License-Identifier: Apache-2.0
#include "run/record.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kSumKey = ",\"sum\":\"";

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

double number(const nlohmann::json& object, const char* key) {
  const auto& value = object.at(key);
  return value.is_null() ? std::nan("") : value.get<double>();
}

struct Writer {
  Json operator()(const SessionStarted& r) const {
    Json json = {{"record", "session_started"}, {"utc", r.utc}, {"host", r.host}, {"pid", r.pid}};
    if (!r.devices.empty()) json["devices"] = r.devices;
    return json;
  }
  Json operator()(const PlanAdopted& r) const {
    return {{"record", "plan_adopted"},
            {"at", r.at},
            {"reason", r.reason},
            {"remaining_seconds_before", r.remaining_seconds_before},
            {"remaining_seconds_after", r.remaining_seconds_after}};
  }
  Json operator()(const PlanKept& r) const {
    return {{"record", "plan_kept"},
            {"at", r.at},
            {"reason", r.reason},
            {"remaining_seconds", r.remaining_seconds},
            {"best_seconds", r.best_seconds}};
  }
  Json operator()(const GangStarted& r) const {
    Json json = {{"record", "gang_started"}, {"at", r.at},
                 {"task", r.task},           {"parallelism", r.parallelism},
                 {"knobs", r.knobs},         {"node", r.node},
                 {"devices", r.devices},     {"planned_seconds", r.planned_seconds}};
    for (const NodeDevices& part : r.further)
      json["further"].push_back({{"node", part.node}, {"devices", part.devices}});
    return json;
  }
  Json operator()(const GangReleased& r) const {
    return {{"record", "gang_released"},
            {"at", r.at},
            {"task", r.task},
            {"step", r.step},
            {"startup_seconds", r.startup_seconds}};
  }
  Json operator()(const CheckpointWritten& r) const {
    return {{"record", "checkpoint_written"},
            {"at", r.at},
            {"task", r.task},
            {"step", r.step},
            {"step_seconds", r.step_seconds}};
  }
  Json operator()(const ValidationDone& r) const {
    return {{"record", "validation_done"},
            {"at", r.at},
            {"task", r.task},
            {"step", r.step},
            {"loss", number(r.loss)}};
  }
  Json operator()(const RungPassed& r) const {
    return {{"record", "rung_passed"}, {"at", r.at},       {"task", r.task},
            {"rung", r.rung},          {"place", r.place}, {"of", r.of}};
  }
  Json operator()(const TaskPaused& r) const {
    return {{"record", "task_paused"}, {"at", r.at},       {"task", r.task},
            {"rung", r.rung},          {"place", r.place}, {"of", r.of}};
  }
  Json operator()(const TaskFinished& r) const {
    Json json = {{"record", "task_finished"},
                 {"at", r.at},
                 {"task", r.task},
                 {"step", r.step},
                 {"training_loss", number(r.training_loss)},
                 {"validation_loss", number(r.validation_loss)},
                 {"weights", r.weights},
                 {"step_seconds", r.step_seconds},
                 {"of_steps", r.of_steps}};
    if (!r.why.empty()) json.update({{"why", r.why}, {"stop_rule", r.stop_rule}});
    return json;
  }
  Json operator()(const GangEnded& r) const {
    Json json = {
        {"record", "gang_ended"}, {"at", r.at}, {"task", r.task}, {"why", r.why}, {"failure", r.failure}};
    if (r.asked_at) json["asked_at"] = *r.asked_at;
    return json;
  }
  Json operator()(const TaskFailed& r) const {
    return {{"record", "task_failed"}, {"at", r.at}, {"task", r.task}, {"why", r.why}};
  }
  Json operator()(const TaskReopened& r) const {
    return {{"record", "task_reopened"}, {"at", r.at}, {"task", r.task}};
  }
  Json operator()(const TasksChanged& r) const {
    return {{"record", "tasks_changed"},
            {"at", r.at},
            {"added", r.added},
            {"dropped", r.dropped},
            {"changed", r.changed}};
  }
  Json operator()(const ConfigurationRuledOut& r) const {
    Json json = {{"record", "configuration_ruled_out"},
                 {"at", r.at},
                 {"task", r.task},
                 {"parallelism", r.parallelism},
                 {"knobs", r.knobs},
                 {"device_kind", r.device_kind},
                 {"devices", r.devices},
                 {"why", r.why}};
    if (r.nodes > 1) json["nodes"] = r.nodes;
    return json;
  }
  Json operator()(const DevicesWentAway& r) const {
    return {{"record", "devices_went_away"},
            {"at", r.at},
            {"node", r.node},
            {"devices", r.devices},
            {"why", r.why}};
  }
  Json operator()(const DevicesCameBack& r) const {
    return {{"record", "devices_came_back"}, {"at", r.at}, {"node", r.node}, {"devices", r.devices}};
  }
  Json operator()(const MeasuringStarted& r) const {
    return {{"record", "measuring_started"}, {"at", r.at}, {"node", r.node}, {"devices", r.devices}};
  }
  Json operator()(const MeasuringEnded& r) const {
    return {{"record", "measuring_ended"}, {"at", r.at}, {"why", r.why}};
  }
  Json operator()(const SessionEnded& r) const {
    return {{"record", "session_ended"}, {"at", r.at}, {"why", r.why}};
  }
};

std::optional<Record> record_from(const nlohmann::json& j) {
  const std::string kind = j.at("record");
  if (kind == "session_started") {
    return SessionStarted{j.at("utc"), j.at("host"), j.at("pid"),
                          j.value("devices", std::map<std::string, int>())};
  }
  if (kind == "plan_adopted") {
    return PlanAdopted{j.at("at"), j.at("reason"), j.at("remaining_seconds_before"),
                       j.at("remaining_seconds_after")};
  }
  if (kind == "plan_kept")
    return PlanKept{j.at("at"), j.at("reason"), j.at("remaining_seconds"), j.at("best_seconds")};
  if (kind == "gang_started") {
    GangStarted started{j.at("at"),
                        j.at("task"),
                        j.at("parallelism"),
                        j.at("knobs").get<Knobs>(),
                        j.at("node"),
                        j.at("devices").get<std::vector<int>>(),
                        j.at("planned_seconds")};
    if (j.contains("further"))
      for (const auto& part : j.at("further"))
        started.further.push_back({part.at("node"), part.at("devices").get<std::vector<int>>()});
    return started;
  }
  if (kind == "gang_released") {
    return GangReleased{j.at("at"), j.at("task"), j.at("step"), j.at("startup_seconds")};
  }
  if (kind == "checkpoint_written") {
    return CheckpointWritten{j.at("at"), j.at("task"), j.at("step"), j.at("step_seconds")};
  }
  if (kind == "validation_done")
    return ValidationDone{j.at("at"), j.at("task"), j.at("step"), number(j, "loss")};
  if (kind == "rung_passed")
    return RungPassed{j.at("at"), j.at("task"), j.at("rung"), j.at("place"), j.at("of")};
  if (kind == "task_paused")
    return TaskPaused{j.at("at"), j.at("task"), j.at("rung"), j.at("place"), j.at("of")};
  if (kind == "task_finished") {
    return TaskFinished{j.at("at"),
                        j.at("task"),
                        j.at("step"),
                        number(j, "training_loss"),
                        number(j, "validation_loss"),
                        j.at("weights"),
                        j.at("step_seconds"),
                        j.value("of_steps", j.at("step").get<std::int64_t>()),
                        j.value("why", ""),
                        j.value("stop_rule", "")};
  }
  if (kind == "gang_ended") {
    GangEnded ended{j.at("at"), j.at("task"), j.at("why"), j.at("failure")};
    if (j.contains("asked_at")) ended.asked_at = j.at("asked_at").get<double>();
    return ended;
  }
  if (kind == "task_failed") return TaskFailed{j.at("at"), j.at("task"), j.at("why")};
  if (kind == "task_reopened") return TaskReopened{j.at("at"), j.at("task")};
  if (kind == "tasks_changed") {
    using Names = std::vector<std::string>;
    return TasksChanged{j.at("at"), j.at("added").get<Names>(), j.at("dropped").get<Names>(),
                        j.at("changed").get<Names>()};
  }
  if (kind == "configuration_ruled_out") {
    return ConfigurationRuledOut{
        j.at("at"),          j.at("task"),    j.at("parallelism"), j.at("knobs").get<Knobs>(),
        j.at("device_kind"), j.at("devices"), j.at("why"),         j.value("nodes", 1)};
  }
  if (kind == "devices_went_away")
    return DevicesWentAway{j.at("at"), j.at("node"), j.at("devices").get<std::vector<int>>(), j.at("why")};
  if (kind == "devices_came_back")
    return DevicesCameBack{j.at("at"), j.at("node"), j.at("devices").get<std::vector<int>>()};
  if (kind == "measuring_started")
    return MeasuringStarted{j.at("at"), j.at("node"), j.at("devices").get<std::vector<int>>()};
  if (kind == "measuring_ended") return MeasuringEnded{j.at("at"), j.at("why")};
  if (kind == "session_ended") return SessionEnded{j.at("at"), j.at("why")};
  return {};
}

}  // namespace

std::string to_line(const Record& record) {
  std::string text = std::visit(Writer{}, record).dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();  // the closing brace comes after the sum
  const std::string sum = content_hash(text);
  return text.append(kSumKey).append(sum).append("\"}\n");
}

bool is_intact(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  const size_t at = line.rfind(kSumKey);
  if (at == std::string_view::npos) return false;
  return line.substr(at) == std::string(kSumKey) + content_hash(line.substr(0, at)) + "\"}";
}

std::optional<Record> parse_record(std::string_view line) {
  if (!is_intact(line)) return {};
  const std::string_view text = line.substr(0, line.rfind(kSumKey));
  const auto json = nlohmann::json::parse(std::string(text) + "}", nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return {};
  try {
    return record_from(json);
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

}  // namespace saturn
