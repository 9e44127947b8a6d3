// SPDX-License-Identifier: Apache-2.0
#include "workload/data_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <string_view>
#include <tuple>
#include <unistd.h>
#include <unordered_set>

#include "base/file.h"
#include "workload/data_fit.h"
#include "workload/dataset.h"
#include "workload/glob.h"
#include "workload/tree.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// What one entry of data.files stands for.
struct Resolved {
  std::vector<std::string> files;
  std::string problem;  ///< empty when everything is there
};

/// A file beside it whose name is close.
std::string suggest_file(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(path.parent_path(), error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return did_you_mean(path.filename().string(), names);
}

std::string problem_of_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    return fmt::format("no file {}{}", path.string(), suggest_file(path));
  if (fs::is_directory(status))
    return fmt::format("{} is a directory; its files are '{}'", path.string(),
                       (path / "**").lexically_normal().string());
  if (error) return fmt::format("cannot read {}: {}", path.string(), error.message());
  if (!fs::is_regular_file(status)) return fmt::format("{} is not a regular file", path.string());
  if (::access(path.c_str(), R_OK) != 0)
    return fmt::format("cannot read {}: {}", path.string(), std::strerror(errno));
  // Its name goes into JSON files, which are UTF-8.
  if (find_invalid_utf8(path.string()) != std::string::npos)
    return fmt::format("the name of a file in {} is not UTF-8; rename it", path.parent_path().string());
  return "";
}

Resolved resolve(const std::string& pattern) {
  std::vector<fs::path> paths{pattern};
  // A file may have a bracket in its name: it is taken for itself when it is there.
  std::error_code ignored;
  if (is_glob(pattern) && !fs::exists(pattern, ignored)) paths = expand_glob(pattern);
  if (paths.empty()) return {{}, "no file matches " + pattern};
  Resolved resolved;
  for (const fs::path& path : paths) {
    resolved.problem = problem_of_file(path);
    if (!resolved.problem.empty()) return resolved;
    resolved.files.push_back(path.string());
  }
  return resolved;
}

/// Resolves every pattern once: tasks of a sweep read the same files.
class Resolver {
 public:
  const Resolved& operator()(const std::string& pattern) {
    const auto found = resolved_.find(pattern);
    return found != resolved_.end() ? found->second
                                    : resolved_.emplace(pattern, resolve(pattern)).first->second;
  }

 private:
  std::map<std::string, Resolved> resolved_;
};

/// The place of entry `index` of the list under `path`, or of one that stands for a list.
Mark mark_of_pattern(const TaskDraft& draft, const std::string& path, size_t index) {
  const Value* files = find_path(draft.value, path);
  if (files == nullptr) return draft.value.mark;
  return files->kind == Value::Kind::kList && index < files->items.size() ? files->items[index].mark
                                                                          : files->mark;
}

/// Replaces the patterns by files, each once. False when something is wrong.
bool resolve_files(const TaskDraft& draft, const std::string& path, std::vector<std::string>& patterns,
                   Resolver& resolver, Diagnostics& diagnostics) {
  std::vector<std::string> files;
  std::unordered_set<std::string_view> seen;  // of what the resolver keeps
  bool sound = true;
  for (size_t i = 0; i < patterns.size(); ++i) {
    const Resolved& resolved = resolver(patterns[i]);
    if (!resolved.problem.empty()) {
      diagnostics.error(mark_of_pattern(draft, path, i), "data: " + resolved.problem);
      sound = false;
    }
    for (const std::string& file : resolved.files)
      if (seen.insert(file).second) files.push_back(file);
  }
  patterns = std::move(files);
  return sound;
}

/// Datasets of tasks that read the same files, opened once.
class Datasets {
 public:
  /// Reports at the task's data what is wrong with the files; null then.
  const Dataset* open(const TaskDraft& draft, Diagnostics& diagnostics) {
    const DataSpec& data = draft.task.data;
    const auto [found, fresh] = opened_.try_emplace({data.kind, data.files, data.validation_files});
    Opened& opened = found->second;
    if (fresh) read(data, opened);
    if (opened.problem.empty()) return &opened.dataset;
    diagnostics.error(mark_of_pattern(draft, "data.files", kNoEntry), "data: " + opened.problem);
    return nullptr;
  }

 private:
  static constexpr size_t kNoEntry = static_cast<size_t>(-1);
  struct Opened {
    Dataset dataset;
    std::string problem;
  };

  static void read(const DataSpec& data, Opened& opened) {
    try {
      if (data.kind != "synthetic") opened.dataset = read_dataset(data);
    } catch (const InputError& error) {
      opened.problem = error.diagnostics().front().message;
    } catch (const SystemError& error) {
      opened.problem = error.what();
    }
  }

  std::map<std::tuple<std::string, std::vector<std::string>, std::vector<std::string>>, Opened> opened_;
};

bool fits(const TaskDraft& draft, const Dataset& dataset, Diagnostics& diagnostics) {
  const TaskSpec& task = draft.task;
  const auto misfit = task.data.kind == "synthetic"
                          ? find_synthetic_misfit(task.model)
                          : find_misfit(task.model, task.data.kind, dataset.content);
  const Value* model = find_path(draft.value, "model");
  if (misfit) report_misfit(model == nullptr ? draft.value : *model, misfit, diagnostics);
  return !misfit;
}

void count_steps(TaskDraft& draft, const Dataset& dataset, Diagnostics& diagnostics) {
  TaskSpec& task = draft.task;
  if (task.batch_size < 1 || !fits(draft, dataset, diagnostics)) return;
  const std::int64_t length = task.data.kind == "synthetic" ? 0 : row_length(dataset.content, task.model);
  const DataSplit split = split_of(task.data, dataset, length);
  const std::string problem = size_problem(task.data, split, length);
  if (!problem.empty())
    return diagnostics.error(mark_of_pattern(draft, "data.files", static_cast<size_t>(-1)),
                             "data: " + problem);
  if (task.epochs > 0) task.steps = steps_in_epochs(split, task.epochs, task.batch_size, length);
}

/// A task whose model is wrong is not compared with its data.
bool has_sizes(const TaskSpec& task) {
  const ModelInput input = input_of(task.model);
  return input.kind == ModelInput::Kind::kUnknown || input.context > 0 || input.numbers > 0;
}

void resolve_task(TaskDraft& draft, Resolver& resolver, Datasets& datasets, Diagnostics& diagnostics) {
  DataSpec& data = draft.task.data;
  const bool there = resolve_files(draft, "data.files", data.files, resolver, diagnostics);
  const bool own =
      resolve_files(draft, "data.validation_files", data.validation_files, resolver, diagnostics);
  if (!there || !own || (data.files.empty() && data.kind != "synthetic")) return;
  const Dataset* dataset = datasets.open(draft, diagnostics);
  if (dataset != nullptr && has_sizes(draft.task)) count_steps(draft, *dataset, diagnostics);
}

Mark mark_of(const TaskDraft& draft, const std::string& path) {
  const Value* value = find_path(draft.value, path);
  return value == nullptr ? draft.value.mark : value->mark;
}

/// The plug-in and the weights to start from; takes down what the plug-in is.
void look_at_model(TaskDraft& draft, Diagnostics& diagnostics) {
  ModelSpec& model = draft.task.model;
  const std::string& library = model.plugin.library;
  if (!library.empty()) {
    const std::string problem = problem_of_file(library);
    if (problem.empty())
      model.plugin.content = file_hash(library);
    else
      diagnostics.error(mark_of(draft, "model.library"), "model: " + problem);
  }
  std::error_code ignored;
  if (model.start_from.empty() || fs::is_directory(model.start_from, ignored)) return;
  const std::string problem = problem_of_file(model.start_from);
  if (!problem.empty()) diagnostics.error(mark_of(draft, "model.start_from"), "model: " + problem);
}

void check_warmup(const TaskDraft& draft, Diagnostics& diagnostics) {
  const Value* warmup = find_path(draft.value, "optimizer.schedule.warmup_steps");
  const std::int64_t steps = draft.task.steps, warmup_steps = draft.task.optimizer.schedule.warmup_steps;
  if (warmup == nullptr || steps == 0 || warmup_steps <= steps) return;
  diagnostics.error(warmup->mark,
                    fmt::format("optimizer.schedule: 'warmup_steps' is {}, but the task has only {} steps",
                                warmup_steps, steps));
}

}  // namespace

void resolve_data(std::vector<TaskDraft>& drafts, Diagnostics& diagnostics) {
  Resolver resolver;
  Datasets datasets;
  for (TaskDraft& draft : drafts) {
    // A script may find its own data.
    if (!draft.task.data.kind.empty()) resolve_task(draft, resolver, datasets, diagnostics);
    look_at_model(draft, diagnostics);
    check_warmup(draft, diagnostics);
  }
}

}  // namespace saturn
