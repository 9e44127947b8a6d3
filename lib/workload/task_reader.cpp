// SPDX-License-Identifier: Apache-2.0
#include "workload/task_reader.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "workload/sweep.h"
#include "workload/sweep_paths.h"
#include "workload/template.h"
#include "workload/tree.h"

namespace saturn {
namespace {

/// A task of the file with the settings of its sweep still to come.
struct Origin {
  Value value;                     ///< defaults and task
  Mark name_mark;                  ///< where two tasks of one name are reported
  std::vector<std::string> swept;  ///< paths
  std::uint64_t seed = 0;          ///< of the workload
};

/// `steps` in a task takes the place of `epochs` in the defaults, and the other way round.
Value without_other_length(const Value& defaults, const Value& task) {
  Value result = defaults;
  if (task.find("steps") != nullptr) remove_key(result, "epochs");
  if (task.find("epochs") != nullptr) remove_key(result, "steps");
  return result;
}

Value with_setting(const Value& task, const Setting& setting) {
  Value result = task;
  for (const SweptField& assignment : setting) {
    if (assignment.path == "steps") remove_key(result, "epochs");
    if (assignment.path == "epochs") remove_key(result, "steps");
  }
  for (const SweptField& assignment : setting)
    assign_path(result, assignment.path, assignment.value, assignment.mark);
  return result;
}

/// A value in a name: as it was written ("3e-4" stays "3e-4"), a list joined by "-".
Rendered name_text(const Value& value, const std::string& path) {
  if (value.kind == Value::Kind::kScalar) return {value.scalar, ""};
  if (value.kind == Value::Kind::kList) {
    std::string text;
    for (const Value& item : value.items) text += (text.empty() ? "" : "-") + item.scalar;
    return {text, ""};
  }
  return {"", fmt::format("'{{{}}}' is {}; name one field of it", path, describe(value))};
}

/// A field that the file leaves out has its default's text.
Rendered default_text(const TaskSpec& task, const std::string& path) {
  nlohmann::ordered_json at = to_json(task);
  for (const std::string& key : split_path(path)) {
    if (!at.is_object() || !at.contains(key)) return {};
    at = nlohmann::ordered_json(at[key]);
  }
  if (at.is_object() || at.is_array()) return {};
  return {at.is_string() ? at.get<std::string>() : at.dump(), ""};
}

Rendered field_text(const TaskDraft& draft, const std::string& path) {
  static const std::vector<std::string> paths = task_paths();
  if (path == "name") return {"", "'{name}' cannot stand in the name itself"};
  if (!is_task_path(path, paths))
    return {"", fmt::format("a task has no field '{}'{}", path, suggest_path(path, paths))};
  const Value* found = find_path(draft.value, path);
  if (found == nullptr && has_free_name(path)) return {"", fmt::format("the task has no '{}'", path)};
  return found == nullptr ? default_text(draft.task, path) : name_text(*found, path);
}

void read_name(TaskDraft& draft, Diagnostics& diagnostics) {
  const Value* name = draft.value.find("name");
  if (name == nullptr || name->kind != Value::Kind::kScalar) return;  // reported with the other fields
  Rendered rendered =
      render_template(name->scalar, [&](const std::string& path) { return field_text(draft, path); });
  if (rendered.problem.empty()) rendered.problem = name_problem(rendered.text);
  if (!rendered.problem.empty()) diagnostics.error(name->mark, "task: name: " + rendered.problem);
  draft.task.name = rendered.problem.empty() ? rendered.text : "";
}

/// Exactly one of `epochs` and `steps`, more than 0. (A task's JSON has both: steps were worked out there.) A
/// script may count its steps itself, and its data are not known.
void check_length(MapReader& reader, const TaskSpec& task, Diagnostics& diagnostics) {
  if (!reader.is_map()) return;
  const bool epochs = reader.has("epochs"), steps = reader.has("steps");
  if (epochs && steps) {
    diagnostics.error(reader.mark("steps"), "task: give 'epochs' or 'steps', not both");
  } else if (epochs && task.data.kind.empty()) {
    reader.error("epochs", "needs 'data'; give a script 'steps' (what it counts), or nothing");
  } else if (!epochs && !steps && !task.script) {
    diagnostics.error(reader.mark(), "task: missing key 'steps' (or 'epochs')");
  }
  for (const char* key : {"epochs", "steps"}) {
    const Value* value = reader.value(key);
    const auto number = value == nullptr ? std::nullopt : as_number(*value);
    if (number && *number == 0) reader.error(key, "must be more than 0");
  }
}

void make_absolute(std::string& file, const std::filesystem::path& directory) {
  if (!file.empty()) file = (directory / file).lexically_normal().string();
}

void make_paths_absolute(TaskSpec& task, const std::filesystem::path& directory) {
  for (std::string& file : task.data.files) make_absolute(file, directory);
  for (std::string& file : task.data.validation_files) make_absolute(file, directory);
  make_absolute(task.model.plugin.library, directory);
  make_absolute(task.model.start_from, directory);
}

TaskDraft read_draft(const Value& value, const Origin& origin, const std::filesystem::path& directory,
                     Diagnostics& diagnostics) {
  TaskDraft draft{value, {}};
  MapReader reader(draft.value, "task", diagnostics);
  draft.task = read_task_fields(reader);
  reader.value("sweep");  // expanded already
  check_length(reader, draft.task, diagnostics);
  for (const std::string key : {"files", "validation_files"}) {
    const Value* files = find_path(draft.value, "data." + key);
    if (files != nullptr && files->kind == Value::Kind::kList && files->items.empty())
      diagnostics.error(files->mark, "data: '" + key + "' is empty");
  }
  reader.finish();
  if (!reader.has("seed")) draft.task.seed = origin.seed;
  read_name(draft, diagnostics);
  make_paths_absolute(draft.task, directory);
  return draft;
}

/// Within one sweep: the name does not say what is swept. Between two tasks: both places.
void check_names(const std::vector<TaskDraft>& drafts, const std::vector<const Origin*>& origins,
                 Diagnostics& diagnostics) {
  std::map<std::string, const Origin*> first;
  std::set<const Origin*> reported;
  for (size_t i = 0; i < drafts.size(); ++i) {
    const std::string& name = drafts[i].task.name;
    if (name.empty()) continue;
    const Origin& origin = *origins[i];
    const auto [found, fresh] = first.emplace(name, &origin);
    if (fresh || !reported.insert(&origin).second) continue;
    if (found->second == &origin) {
      std::string example = "NAME";
      for (const std::string& path : origin.swept) example += "-{" + path + "}";
      diagnostics.error(
          origin.name_mark,
          fmt::format("task: the sweep makes several tasks of the name '{}'; put what it changes "
                      "into the name: {}",
                      name, example));
    } else {
      diagnostics.error(origin.name_mark, fmt::format("task: the name '{}' is taken by the task on line {}",
                                                      name, found->second->name_mark.line));
    }
  }
}

Origin make_origin(const Value& defaults, const Value& task, std::uint64_t seed) {
  Origin origin{deep_merge(without_other_length(defaults, task), task), task.mark, {}, seed};
  if (task.kind == Value::Kind::kMap && task.find("name") != nullptr)
    origin.name_mark = task.find("name")->mark;
  return origin;
}

std::vector<Setting> settings_of(Origin& origin, Diagnostics& diagnostics) {
  static const std::vector<std::string> paths = task_paths();
  const Value* sweep = origin.value.kind == Value::Kind::kMap ? origin.value.find("sweep") : nullptr;
  if (sweep == nullptr) return {{}};
  std::vector<Setting> settings = expand_sweep(*sweep, paths, origin.seed, diagnostics);
  for (const SweptField& assignment : settings.front()) origin.swept.push_back(assignment.path);
  return settings;
}

/// Duplicate keys of the defaults, which the merging drops.
void report_duplicates(const Value& value, Diagnostics& diagnostics) {
  for (const Value::Member& member : value.members) {
    const Value* first = value.find(member.key);
    if (first != &member.value)
      diagnostics.error(member.mark, fmt::format("defaults: key '{}' is given twice (first on line {})",
                                                 member.key, first->mark.line));
    report_duplicates(member.value, diagnostics);
  }
}

/// The tasks of the list, each laid on the defaults.
std::vector<Origin> read_origins(MapReader& workload, std::uint64_t seed) {
  Value defaults;
  defaults.kind = Value::Kind::kMap;
  if (const Value* given = workload.value("defaults")) {
    if (given->kind == Value::Kind::kMap)
      defaults = *given;
    else
      workload.error("defaults", "must be a map of task fields, not " + describe(*given));
  }
  report_duplicates(defaults, workload.diagnostics());
  if (!workload.require("tasks")) return {};
  const Value& list = *workload.value("tasks");
  if (list.kind != Value::Kind::kList || list.items.empty()) {
    workload.error("tasks", list.kind == Value::Kind::kList
                                ? "is empty: there is nothing to train"
                                : "must be a list of tasks, not " + describe(list));
    return {};
  }
  std::vector<Origin> origins;
  for (const Value& task : list.items) origins.push_back(make_origin(defaults, task, seed));
  return origins;
}

}  // namespace

std::vector<std::string> task_paths() {
  const Document empty =
      parse_json("", R"({"name": "", "model": {}, "data": {}, "optimizer": {"schedule": {}}, "stop": {}})");
  Diagnostics diagnostics(empty);
  MapReader reader(empty.root, "task", diagnostics);
  (void)read_task_fields(reader);  // for the keys that it looks for
  reader.finish();
  std::vector<std::string> paths;
  const auto& keys = diagnostics.accepted_keys();
  for (const std::string& key : keys.at("task")) {
    paths.push_back(key);
    for (const auto& [section, inner] : keys) {
      if (section != key && section.rfind(key + ".", 0) != 0) continue;
      for (const std::string& name : inner) paths.push_back(section + "." + name);
    }
  }
  return paths;
}

std::vector<TaskDraft> read_tasks(MapReader& workload, std::uint64_t seed,
                                  const std::filesystem::path& directory) {
  std::vector<Origin> origins = read_origins(workload, seed);
  std::vector<TaskDraft> drafts;
  std::vector<const Origin*> origin_of;
  for (Origin& origin : origins) {
    const std::vector<Setting> settings = settings_of(origin, workload.diagnostics());
    if (drafts.size() + settings.size() > kMostTasks) {
      workload.diagnostics().error(
          origin.name_mark, fmt::format("task: with this sweep there are more than {} tasks", kMostTasks));
      break;
    }
    for (const Setting& setting : settings) {
      drafts.push_back(
          read_draft(with_setting(origin.value, setting), origin, directory, workload.diagnostics()));
      origin_of.push_back(&origin);
    }
  }
  check_names(drafts, origin_of, workload.diagnostics());
  return drafts;
}

}  // namespace saturn
