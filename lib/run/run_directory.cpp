// SPDX-License-Identifier: Apache-2.0
#include "run/run_directory.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/host.h"
#include "workload/settings_reader.h"

namespace saturn {
namespace {

constexpr const char* kSchema = "saturn.run/1";

std::map<std::string, const TaskSpec*> by_name(const std::vector<TaskSpec>& tasks) {
  std::map<std::string, const TaskSpec*> map;
  for (const TaskSpec& task : tasks) map[task.name] = &task;
  return map;
}

/// "steps 100 -> 200, optimizer/lr 0.1 -> 0.2".
std::string changed_fields(const TaskSpec& before, const TaskSpec& now) {
  const nlohmann::json old_flat = nlohmann::json(to_json(before)).flatten();
  const nlohmann::json new_flat = nlohmann::json(to_json(now)).flatten();
  std::map<std::string, std::pair<std::string, std::string>> changes;
  for (const auto& [key, value] : old_flat.items()) changes[key].first = value.dump();
  for (const auto& [key, value] : new_flat.items()) changes[key].second = value.dump();
  std::string text;
  for (const auto& [key, change] : changes) {
    if (change.first == change.second) continue;
    text += fmt::format("{}{} {} -> {}", text.empty() ? "" : ", ", key.substr(1),
                        change.first.empty() ? "nothing" : change.first,
                        change.second.empty() ? "nothing" : change.second);
  }
  return text;
}

/// Who asks whether the lock is held holds it for a moment (in_use).
bool lock_soon(int fd) {
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) return false;
    if (i + 1 < kTries) ::usleep(10'000);
    errno = EWOULDBLOCK;
  }
  return false;
}

}  // namespace

RunLock::RunLock(const RunDirectory& directory) {
  make_directories(directory.path);
  const std::string file = directory.lock_file();
  fd_ = FileDescriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd_) throw SystemError("open", file, errno);
  if (!lock_soon(fd_.get())) {
    if (errno != EWOULDBLOCK) throw SystemError("lock", file, errno);
    std::string holder = read_file(file);
    while (holder.ends_with('\n')) holder.pop_back();
    throw InputError(
        fmt::format("the run directory {} is in use by {}: wait for it, stop it, or name another "
                    "directory (run.directory in the workload)",
                    directory.path.string(), holder.empty() ? "another process" : holder));
  }
  const std::string holder = fmt::format("process {} on {}\n", ::getpid(), host_name());
  // Over what stood there, and cut then: one that is cut to nothing first waits for the disk when it is
  // closed.
  if (write_all(fd_.get(), holder) != 0) return;
  [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), std::ssize(holder));
}

bool in_use(const RunDirectory& directory) {
  const FileDescriptor fd(::open(directory.lock_file().c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return false;
  if (!fd) throw SystemError("open", directory.lock_file().string(), errno);
  return ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0;  // and lets go at once
}

std::string to_text(const RunIdentity& identity) {
  return to_json(identity).dump(2) + "\n";
}

nlohmann::ordered_json to_json(const RunIdentity& identity) {
  nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
  for (const TaskSpec& task : identity.tasks) tasks.push_back(to_json(task));
  nlohmann::ordered_json json = {{"schema", kSchema}, {"workload_file", identity.workload_file}};
  if (!identity.dropped.empty()) json["dropped"] = identity.dropped;
  if (!identity.added.empty()) json["added"] = identity.added;
  if (identity.cluster) json["cluster"] = cluster_section(*identity.cluster);
  json["tasks"] = tasks;
  return json;
}

RunIdentity run_identity_from(MapReader& reader) {
  const std::string schema = reader.text("schema");
  if (reader.has("schema") && schema != kSchema) {
    reader.error("schema", schema.starts_with("saturn.run/")
                               ? fmt::format("is {}, of another version of saturn (this one knows {}): go on "
                                             "with that version",
                                             schema, kSchema)
                               : fmt::format("must be {}", kSchema));
  }
  RunIdentity identity;
  identity.workload_file = reader.text("workload_file");
  identity.dropped = reader.texts("dropped");
  identity.added = reader.texts("added");
  if (reader.has("cluster")) identity.cluster = read_cluster(reader);
  if (reader.require("tasks")) {
    for (const Value& item : reader.value("tasks")->items)
      identity.tasks.push_back(task_from_value(item, reader.diagnostics()));
  }
  reader.finish();
  return identity;
}

RunIdentity read_run_identity(const RunDirectory& directory) {
  const Document document = read_json(directory.run_file().string());
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "run", diagnostics);
  RunIdentity identity = run_identity_from(reader);
  diagnostics.throw_if_any();
  return identity;
}

std::vector<TaskSpec> amended(std::vector<TaskSpec> tasks, const RunIdentity& run) {
  const auto is_in = [](const std::vector<std::string>& names, const TaskSpec& task) {
    return std::find(names.begin(), names.end(), task.name) != names.end();
  };
  std::erase_if(tasks, [&](const TaskSpec& task) { return is_in(run.dropped, task); });
  const auto of_workload = by_name(tasks);
  std::vector<TaskSpec> more;
  for (const TaskSpec& task : run.tasks)
    if (is_in(run.added, task) && !of_workload.contains(task.name)) more.push_back(task);
  tasks.insert(tasks.end(), more.begin(), more.end());
  return tasks;
}

std::vector<std::string> differences(const RunIdentity& before, const RunIdentity& now) {
  const auto old_tasks = by_name(before.tasks);
  const auto new_tasks = by_name(now.tasks);
  std::vector<std::string> lines;
  for (const auto& [name, task] : old_tasks) {
    if (!new_tasks.contains(name)) lines.push_back(fmt::format("task '{}' is gone", name));
  }
  for (const auto& [name, task] : new_tasks) {
    const auto old = old_tasks.find(name);
    if (old == old_tasks.end()) {
      lines.push_back(fmt::format("task '{}' is new", name));
    } else if (!(to_json(*task) == to_json(*old->second))) {
      lines.push_back(fmt::format("task '{}' has changed: {}", name, changed_fields(*old->second, *task)));
    }
  }
  return lines;
}

}  // namespace saturn
