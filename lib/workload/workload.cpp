// SPDX-License-Identifier: Apache-2.0
#include "workload/workload.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "workload/data_files.h"
#include "workload/settings_reader.h"
#include "workload/task_reader.h"
#include "workload/template.h"
#include "workload/yaml.h"

namespace saturn {
namespace {

/// A workload and where each of its tasks is written.
struct Draft {
  Workload workload;
  std::vector<TaskDraft> tasks;
};

std::string read_name(MapReader& reader, const std::filesystem::path& file) {
  const bool given = reader.value("name") != nullptr;
  std::string name = given ? reader.text("name") : file.stem().string();
  const std::string problem = name_problem(name);
  if (!problem.empty()) {
    if (given && reader.value("name")->kind == Value::Kind::kScalar) {
      reader.error("name", problem);
    } else if (!given) {
      reader.diagnostics().error(
          reader.mark(), fmt::format("the file's name cannot name the workload ({}); give 'name'", problem));
    }
  }
  return name;
}

/// Absolute: a given one is relative to the workload file, the default lies where the user stands.
std::string run_directory(const std::string& given, const Workload& workload) {
  if (given.empty()) return (std::filesystem::current_path() / "runs" / workload.name).string();
  return (workload.file.parent_path() / given).lexically_normal().string();
}

Draft read_draft(const std::filesystem::path& file, const Document& document, Diagnostics& diagnostics) {
  Draft draft;
  Workload& workload = draft.workload;
  workload.file = std::filesystem::absolute(file).lexically_normal();
  MapReader reader(document.root, "", diagnostics);
  if (document.root.kind != Value::Kind::kMap) return draft;
  workload.name = read_name(reader, file);
  workload.seed =
      static_cast<std::uint64_t>(reader.integer("seed", 0, 0, std::numeric_limits<std::int64_t>::max()));
  workload.cluster = read_cluster(reader);
  draft.tasks = read_tasks(reader, workload.seed, workload.file.parent_path());
  workload.parallelisms = reader.texts("parallelisms");
  workload.profile = read_profile(reader);
  workload.plan = read_plan(reader);
  workload.run = read_run(reader);
  workload.run.directory = run_directory(workload.run.directory, workload);
  reader.finish();
  return draft;
}

Document parse_not_empty(const std::string& file, const std::string& text) {
  Document document = parse_yaml(file, text);
  if (document.root.kind == Value::Kind::kNull)
    throw InputError({Diagnostic{file, 0, 0, "the file is empty; a workload has at least 'tasks'", ""}});
  return document;
}

/// A rung that no task comes to is a mistake.
void check_rungs(const Draft& draft, Diagnostics& diagnostics) {
  const HalvingSettings& halving = draft.workload.run.halving;
  std::int64_t longest = 0;
  for (const TaskDraft& task : draft.tasks) {
    if (task.task.steps == 0) return;  // only its script knows
    longest = std::max(longest, task.task.steps);
  }
  if (diagnostics.any()) return;  // a task may be missing
  for (const std::int64_t rung : halving.rungs) {
    if (rung < longest) continue;
    diagnostics.error(halving.mark,
                      fmt::format("run.halving: the rung {} is not before the end of any task: the "
                                  "longest has {} steps",
                                  rung, longest));
  }
}

Workload take_workload(Draft draft) {
  for (TaskDraft& task : draft.tasks) draft.workload.tasks.push_back(std::move(task.task));
  return std::move(draft.workload);
}

nlohmann::ordered_json to_json(const ClusterSpec& cluster) {
  nlohmann::ordered_json nodes = nlohmann::ordered_json::array();
  for (const NodeSpec& node : cluster.nodes)
    nodes.push_back({node.name, node.devices, node.kind, node.memory_bytes, node.cores_per_device});
  return {cluster.automatic, cluster.gpus, cluster.slots, cluster.slot_memory_bytes, nodes};
}

}  // namespace

Workload read_workload(const std::filesystem::path& file) {
  const Document document = parse_not_empty(file.string(), read_file(file));
  Diagnostics diagnostics(document);
  Draft draft = read_draft(file, document, diagnostics);
  resolve_data(draft.tasks, diagnostics);
  check_rungs(draft, diagnostics);
  diagnostics.throw_if_any();
  return take_workload(std::move(draft));
}

Workload parse_workload(const std::filesystem::path& file, const std::string& text) {
  const Document document = parse_not_empty(file.string(), text);
  Diagnostics diagnostics(document);
  Draft draft = read_draft(file, document, diagnostics);
  diagnostics.throw_if_any();
  return take_workload(std::move(draft));
}

std::map<std::string, std::vector<std::string>> workload_keys() {
  // Every map once, all of them empty: the readers say what they look for.
  const Document document =
      parse_yaml("",
                 "{cluster: {nodes: [{}]}, profile: {}, plan: {}, run: {halving: {}, budget: {}}, tasks: "
                 "[{model: {}, data: {}, "
                 "optimizer: {schedule: {}}, stop: {}, sweep: {random: {over: {seed: {}}}}}]}");
  Diagnostics diagnostics(document);
  (void)read_draft("w.yaml", document, diagnostics);
  return diagnostics.accepted_keys();
}

std::string workload_hash(const Workload& workload) {
  std::string text = to_json(workload.cluster).dump();
  // Of a sweep most tasks read the files of the one before: the list, which may be long, is taken in once.
  std::vector<std::string> files;
  for (TaskSpec task : workload.tasks) {
    if (task.data.files != files) text += '\n' + nlohmann::json(files = task.data.files).dump();
    task.data.files.clear();
    text += '\n' + to_json(task).dump();
  }
  text += '\n' + nlohmann::ordered_json(workload.parallelisms).dump();
  if (!workload.run.halving.rungs.empty()) text += nlohmann::json(workload.run.halving.rungs).dump();
  return content_hash(text);
}

}  // namespace saturn
