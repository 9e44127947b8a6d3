// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "base/file.h"
#include "workload/objective_reader.h"

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "saturn.plan/1";
constexpr double kLongest = 1e12;
constexpr const char* kOrder = "order";

/// To the microsecond: what sums lose to the binary form of decimal times is not shown.
double rounded(double seconds) {
  return std::round(seconds * 1e6) / 1e6;
}

/// On one line, with a blank after each comma and colon.
std::string on_one_line(const Json& json) {
  if (!json.is_structured()) return json.dump();
  std::string text;
  for (const auto& [key, value] : json.items()) {
    if (!text.empty()) text += ", ";
    if (json.is_object()) text += Json(key).dump() + ": ";
    text += on_one_line(value);
  }
  return json.is_object() ? "{" + text + "}" : "[" + text + "]";
}

Knobs read_knobs(MapReader& reader) {
  Knobs knobs;
  const Value* value = reader.value("knobs");
  if (value == nullptr) return knobs;
  if (value->kind != Value::Kind::kMap) {
    reader.error("knobs", "must be a map, not " + describe(*value));
    return knobs;
  }
  for (const Value::Member& member : value->members) {
    if (member.value.kind != Value::Kind::kScalar)
      reader.diagnostics().error(member.value.mark, fmt::format("knob '{}' must be a text, not {}",
                                                                member.key, describe(member.value)));
    else if (!knobs.emplace(member.key, member.value.scalar).second)
      reader.diagnostics().error(member.mark, fmt::format("knob '{}' is given twice", member.key));
  }
  return knobs;
}

std::vector<int> read_devices(MapReader& reader) {
  std::vector<int> devices;
  if (!reader.require("devices")) return devices;
  for (const std::int64_t device : reader.integers("devices", 0, 1000000))
    devices.push_back(static_cast<int>(device));
  std::sort(devices.begin(), devices.end());
  return devices;
}

/// The parts on further nodes.
std::vector<NodeDevices> read_further(MapReader& reader, const std::string& task) {
  std::vector<NodeDevices> parts;
  const Value* value = reader.value("further");
  if (value == nullptr) return parts;
  if (value->kind != Value::Kind::kList) {
    reader.error("further", "must be a list, not " + describe(*value));
    return parts;
  }
  for (const Value& item : value->items) {
    MapReader part(item, fmt::format("task '{}': a part of 'further'", task), reader.diagnostics());
    part.require("node");
    parts.push_back({part.text("node"), read_devices(part)});
    part.finish();
  }
  return parts;
}

/// The parts that can be pinned one by one, by name.
constexpr std::array<std::pair<const char*, bool PinnedParts::*>, 3> kParts{
    {{"configuration", &PinnedParts::configuration},
     {"node", &PinnedParts::node},
     {"devices", &PinnedParts::devices}}};

constexpr const char* kPartNames = "'configuration', 'node' and 'devices'";

PinnedParts read_parts(MapReader& reader) {
  PinnedParts parts;
  for (const std::string& name : reader.texts("pinned")) {
    const auto found =
        std::find_if(kParts.begin(), kParts.end(), [&](const auto& part) { return part.first == name; });
    if (found == kParts.end())
      reader.error("pinned", fmt::format("may list {}, not '{}'", kPartNames, name));
    else
      parts.*(found->second) = true;
  }
  parts.node |= parts.devices;
  return parts;
}

/// true, false, "order" or a list of parts.
PinnedParts read_pinned(MapReader& reader, bool start_known) {
  const Value* value = reader.value("pinned");
  if (value != nullptr && value->kind == Value::Kind::kList) return read_parts(reader);
  const bool order = value != nullptr && value->scalar == kOrder;
  const std::optional<bool> whole = value != nullptr ? as_boolean(*value) : false;
  if (!order && !whole)
    reader.error("pinned", fmt::format("must be true, false, 'order' or a list of {}, not {}", kPartNames,
                                       describe(*value)));
  if (!order && !whole.value_or(false)) return {};
  // A start that is not known cannot be kept; the place that the line has can.
  return order || !start_known ? PinnedParts::but_for_start() : PinnedParts::whole();
}

Assignment read_assignment(const Value& value, Diagnostics& diagnostics) {
  Assignment assignment;
  assignment.mark = value.mark;
  const Value* name = value.find("task");
  MapReader reader(value, name != nullptr ? "task '" + name->scalar + "'" : "a line of 'tasks'", diagnostics);
  for (const char* key : {"task", "parallelism", "node"}) reader.require(key);
  assignment.task = reader.text("task");
  assignment.parallelism = reader.text("parallelism");
  assignment.knobs_known = reader.has("knobs");
  assignment.knobs = read_knobs(reader);
  assignment.node = reader.text("node");
  assignment.devices = read_devices(reader);
  assignment.further = read_further(reader, assignment.task);
  assignment.start_known = reader.has("start_seconds");
  assignment.start_seconds = reader.number("start_seconds", 0, 0, kLongest);
  assignment.duration_known = reader.has("duration_seconds");
  assignment.duration_seconds = reader.number("duration_seconds", 0, 0, kLongest);
  assignment.pinned = read_pinned(reader, assignment.start_known);
  assignment.beyond_budget = reader.boolean("beyond_budget", false);
  reader.finish();
  return assignment;
}

void read_assignments(MapReader& reader, Plan& plan) {
  if (!reader.require("tasks")) return;
  const Value* tasks = reader.value("tasks");
  if (tasks->kind != Value::Kind::kList) {
    reader.error("tasks", "must be a list, not " + describe(*tasks));
    return;
  }
  for (const Value& item : tasks->items)
    plan.assignments.push_back(read_assignment(item, reader.diagnostics()));
}

Budget read_plan_budget(MapReader& plan) {
  Budget budget;
  const Value* value = plan.value("budget");
  if (value == nullptr) return budget;
  MapReader reader(*value, "budget", plan.diagnostics());
  if (reader.has("seconds")) budget.seconds = reader.number("seconds", 0, -kLongest, kLongest);
  if (reader.has("device_seconds"))
    budget.device_seconds = reader.number("device_seconds", 0, -kLongest * 1e6, kLongest * 1e6);
  reader.finish();
  return budget;
}

void check_schema(MapReader& reader) {
  if (!reader.require("schema")) return;
  const std::string schema = reader.text("schema", kSchema);
  if (schema != kSchema) reader.error("schema", fmt::format("is '{}', but a plan has '{}'", schema, kSchema));
}

Plan plan_from(const Document& document) {
  Plan plan;
  plan.file = document.file;
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "", diagnostics);
  check_schema(reader);
  plan.workload_file = reader.text("workload_file");
  plan.workload_hash = reader.text("workload_hash");
  plan.profile_hash = reader.text("profile_hash");
  plan.cluster_hash = reader.text("cluster_hash");
  read_assignments(reader, plan);
  plan.makespan_seconds = reader.number("makespan_seconds", 0, 0, kLongest);
  // These follow from the lines.
  for (const char* key : {"device_seconds", "mean_completion_seconds", "objective_value"})
    (void)reader.number(key, 0, 0, kLongest * 1e6);
  plan.lower_bound_seconds = reader.number("lower_bound_seconds", 0, 0, kLongest);
  plan.objective = read_objective(reader);
  plan.objective_bound = reader.number("objective_bound", 0, 0, kLongest * 1e6);
  if (plan.objective.kind == Objective::Kind::kMakespan) plan.objective_bound = 0;
  plan.gap = reader.number("gap", 0, 0, 1);
  plan.baseline_seconds = reader.number("baseline_seconds", 0, 0, kLongest);
  plan.method = reader.text("method");
  plan.bound_method = reader.text("bound_method");
  plan.bound_pins = reader.text("bound_pins");
  plan.budget = read_plan_budget(reader);
  plan.stopped = reader.boolean("stopped", false);
  reader.finish();
  diagnostics.throw_if_any();
  return plan;
}

/// Of parts whose devices are not pinned: their nodes, or how many they are.
Json further_pins(const Assignment& line) {
  if (!line.pinned.node) return line.further.size();
  Json nodes = Json::array();
  for (const NodeDevices& part : line.further) nodes.push_back(part.node);
  return nodes;
}

}  // namespace

std::vector<std::string> single_parts(const PinnedParts& pinned) {
  std::vector<std::string> names;
  for (const auto& [name, part] : kParts)
    if (pinned.*part && !(part == &PinnedParts::node && pinned.devices)) names.emplace_back(name);
  return names;
}

bool meets_deadline(const Plan& plan) {
  // Plans count in milliseconds, and a sum of them may be off by the binary form.
  return plan.objective.kind != Objective::Kind::kDeadline ||
         plan.makespan_seconds <= plan.objective.deadline_seconds + 1e-6;
}

double objective_value(const Plan& plan) {
  switch (plan.objective.kind) {
    case Objective::Kind::kMakespan:
      return plan.makespan_seconds;
    case Objective::Kind::kMeanCompletion:
      return mean_completion_seconds(plan);
    case Objective::Kind::kDeadline:
      return device_seconds(plan);
  }
  return 0;
}

double objective_bound(const Plan& plan) {
  return plan.objective.kind == Objective::Kind::kMakespan ? plan.lower_bound_seconds : plan.objective_bound;
}

double gap_of(const Plan& plan) {
  const bool missed = !meets_deadline(plan);
  const double value = missed ? plan.makespan_seconds : objective_value(plan);
  const double bound = missed ? plan.lower_bound_seconds : objective_bound(plan);
  return value > 0 ? std::clamp((value - bound) / value, 0.0, 1.0) : 0;
}

std::string where_text(const Assignment& line) {
  std::string text;
  for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", node, fmt::join(devices, ","));
  });
  return text;
}

double device_seconds(const Plan& plan) {
  double sum = 0;
  for (const Assignment& line : plan.assignments)
    sum += static_cast<double>(device_count(line)) * line.duration_seconds;
  return rounded(sum);
}

double mean_completion_seconds(const Plan& plan) {
  double sum = 0;
  for (const Assignment& line : plan.assignments) sum += line.end_seconds();
  return plan.assignments.empty() ? 0 : rounded(sum / static_cast<double>(plan.assignments.size()));
}

void sort_assignments(Plan& plan) {
  std::sort(plan.assignments.begin(), plan.assignments.end(), [](const Assignment& a, const Assignment& b) {
    return std::tie(a.start_seconds, a.node, a.devices, a.task) <
           std::tie(b.start_seconds, b.node, b.devices, b.task);
  });
}

Json to_json(const PinnedParts& pinned) {
  if (pinned == PinnedParts::whole() || !pinned.any()) return pinned.any();
  if (pinned == PinnedParts::but_for_start()) return kOrder;
  return single_parts(pinned);
}

nlohmann::ordered_json to_json(const Assignment& assignment) {
  Json knobs = Json::object();
  for (const auto& [name, value] : assignment.knobs) knobs[name] = value;
  Json json{{"task", assignment.task},
            {"parallelism", assignment.parallelism},
            {"knobs", std::move(knobs)},
            {"node", assignment.node},
            {"devices", assignment.devices}};
  for (const NodeDevices& part : assignment.further)
    json["further"].push_back(Json{{"node", part.node}, {"devices", part.devices}});
  json["start_seconds"] = assignment.start_seconds;
  json["duration_seconds"] = assignment.duration_seconds;
  json["pinned"] = to_json(assignment.pinned);
  if (assignment.beyond_budget) json["beyond_budget"] = true;
  return json;
}

Json to_json(const Objective& objective) {
  if (objective.kind == Objective::Kind::kDeadline) return {{"deadline", objective.deadline_seconds}};
  return name_of(objective.kind);
}

Json to_json(const Budget& budget) {
  Json json = Json::object();
  if (std::isfinite(budget.seconds)) json["seconds"] = budget.seconds;
  if (std::isfinite(budget.device_seconds)) json["device_seconds"] = budget.device_seconds;
  return json;
}

nlohmann::ordered_json to_json(const Plan& plan) {
  Json tasks = Json::array();
  for (const Assignment& assignment : plan.assignments) tasks.push_back(to_json(assignment));
  Json json{{"schema", kSchema},
            {"workload_file", plan.workload_file},
            {"workload_hash", plan.workload_hash},
            {"profile_hash", plan.profile_hash},
            {"cluster_hash", plan.cluster_hash},
            {"tasks", std::move(tasks)},
            {"makespan_seconds", plan.makespan_seconds},
            {"device_seconds", device_seconds(plan)},
            {"mean_completion_seconds", mean_completion_seconds(plan)},
            {"lower_bound_seconds", plan.lower_bound_seconds},
            {"objective", to_json(plan.objective)},
            {"objective_value", objective_value(plan)},
            {"objective_bound", objective_bound(plan)},
            {"gap", plan.gap},
            {"baseline_seconds", plan.baseline_seconds},
            {"method", plan.method},
            {"bound_method", plan.bound_method},
            {"bound_pins", plan.bound_pins}};
  if (plan.budget.limited()) json["budget"] = to_json(plan.budget);
  if (plan.stopped) json["stopped"] = true;
  return json;
}

std::vector<std::vector<size_t>> pinned_order(const Plan& plan) {
  std::vector<std::vector<size_t>> behind(plan.assignments.size());
  std::map<std::pair<std::string, int>, size_t> last;  // pinned line on each device
  for (size_t i = 0; i < plan.assignments.size(); ++i) {
    const Assignment& line = plan.assignments[i];
    if (!line.pinned.start && !line.pinned.order) continue;
    std::set<size_t> above;
    for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) {
        const auto [before, first] = last.emplace(std::pair(node, device), i);
        // Two starts that are pinned are in order or in each other's way by themselves.
        if (!first && (line.pinned.order || plan.assignments[before->second].pinned.order))
          above.insert(before->second);
        before->second = i;
      }
    });
    behind[i].assign(above.begin(), above.end());
  }
  return behind;
}

void keep_marks(const Plan& before, Plan& plan) {
  std::map<std::string, const Assignment*> lines;
  for (const Assignment& line : before.assignments) lines.emplace(line.task, &line);
  for (Assignment& line : plan.assignments) {
    const auto found = lines.find(line.task);
    line.pinned = found != lines.end() ? found->second->pinned : PinnedParts{};
  }
}

std::string pins_hash(const Plan& plan) {
  std::vector<std::string> lines;
  const std::vector<std::vector<size_t>> order = pinned_order(plan);
  for (size_t i = 0; i < plan.assignments.size(); ++i) {
    const Assignment& line = plan.assignments[i];
    if (!line.pinned.any()) continue;
    Json json = to_json(line);
    json.erase("duration_seconds");  // the profile's
    json.erase("beyond_budget");
    if (!line.pinned.start) json.erase("start_seconds");
    if (!line.pinned.node) json.erase("node");
    if (!line.pinned.devices) json["devices"] = line.devices.size();
    if (!line.further.empty() && !line.pinned.devices) json["further"] = further_pins(line);
    if (!line.pinned.configuration)
      for (const char* key : {"parallelism", "knobs"}) json.erase(key);
    if (!line.pinned.configuration && !line.pinned.devices) json.erase("devices");
    if (!line.pinned.configuration && !line.pinned.node) json.erase("further");
    for (const size_t above : order[i]) json["behind"].push_back(plan.assignments[above].task);
    lines.push_back(json.dump());
  }
  if (lines.empty()) return "";
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return content_hash(text);
}

std::string to_text(const Plan& plan) {
  std::string text = "{";
  const Json json = to_json(plan);
  for (const auto& [key, value] : json.items()) {
    text += (text.size() > 1 ? ",\n  " : "\n  ") + Json(key).dump() + ": ";
    if (!value.is_array()) {
      text += on_one_line(value);
      continue;
    }
    text += "[";
    for (size_t i = 0; i < value.size(); ++i) text += (i > 0 ? ",\n    " : "\n    ") + on_one_line(value[i]);
    text += value.empty() ? "]" : "\n  ]";
  }
  return text + "\n}\n";
}

Plan parse_plan(const std::string& file, const std::string& text) {
  return plan_from(parse_json(file, text));
}

Plan read_plan(const std::filesystem::path& file) {
  return plan_from(read_json(file.string()));
}

}  // namespace saturn
