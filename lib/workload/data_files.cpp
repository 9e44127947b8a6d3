// SPDX-License-Identifier: Apache-2.0
#include "workload/data_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <set>
#include <unistd.h>

#include "workload/glob.h"
#include "workload/text_split.h"
#include "workload/tree.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

struct File {
  std::string path;
  std::int64_t bytes;
};

/// What one entry of data.files stands for.
struct Resolved {
  std::vector<File> files;
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
    resolved.files.push_back({path.string(), static_cast<std::int64_t>(fs::file_size(path, ignored))});
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

Mark mark_of_pattern(const TaskDraft& draft, size_t index) {
  const Value* files = find_path(draft.value, "data.files");
  if (files == nullptr) return draft.value.mark;
  return files->kind == Value::Kind::kList && index < files->items.size() ? files->items[index].mark
                                                                          : files->mark;
}

/// Replaces the patterns by files, each once. Returns their bytes, or -1 when something is wrong.
std::int64_t resolve_files(TaskDraft& draft, Resolver& resolver, Diagnostics& diagnostics) {
  std::vector<std::string> files;
  std::set<std::string> seen;
  bool sound = !draft.task.data.files.empty();
  std::int64_t bytes = 0;
  for (size_t i = 0; i < draft.task.data.files.size(); ++i) {
    const Resolved& resolved = resolver(draft.task.data.files[i]);
    if (!resolved.problem.empty()) {
      diagnostics.error(mark_of_pattern(draft, i), "data: " + resolved.problem);
      sound = false;
    }
    for (const File& file : resolved.files) {
      if (!seen.insert(file.path).second) continue;
      files.push_back(file.path);
      bytes += file.bytes;
    }
  }
  draft.task.data.files = std::move(files);
  return sound ? bytes : -1;
}

/// "" or why a part of the text has no block.
std::string part_problem(const char* part, std::int64_t tokens, std::int64_t blocks, std::int64_t context) {
  if (blocks > 0) return "";
  return fmt::format("the {} part has {} tokens; one block takes {} (context {} and the token after it)",
                     part, tokens, context + 1, context);
}

void check_size(TaskDraft& draft, std::int64_t bytes, Diagnostics& diagnostics) {
  TaskSpec& task = draft.task;
  const std::int64_t context = task.model.gpt.context;
  if (context < 1 || task.batch_size < 1) return;  // reported already
  const TextSplit split = split_text(bytes, task.data.validation_fraction, context);
  std::string problem = part_problem("training", split.training_tokens, split.training_blocks, context);
  if (problem.empty() && task.data.validation_fraction > 0)
    problem = part_problem("held-out", split.validation_tokens, split.validation_blocks, context);
  if (!problem.empty()) {
    const Value* files = find_path(draft.value, "data.files");
    diagnostics.error(files == nullptr ? draft.value.mark : files->mark, "data: " + problem);
    return;
  }
  if (task.epochs > 0) task.steps = steps_in_epochs(split, task.epochs, task.batch_size, context);
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
  for (TaskDraft& draft : drafts) {
    const bool has_data = !draft.task.data.kind.empty();  // a script may find its own
    const std::int64_t bytes = !has_data ? -1 : resolve_files(draft, resolver, diagnostics);
    if (bytes >= 0) check_size(draft, bytes, diagnostics);
    check_warmup(draft, diagnostics);
  }
}

}  // namespace saturn
