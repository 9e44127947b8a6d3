// SPDX-License-Identifier: Apache-2.0
#include "workload/manifest.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "workload/command_reader.h"
#include "workload/template.h"
#include "workload/yaml.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestName = "parallelism.yaml";

/// In the folder, or from where `saturn` was started. A missing one is reported where it is opened: a folder
/// of sources has none until it is built.
fs::path find_library(const std::string& name, const fs::path& directory) {
  std::error_code ignored;
  const fs::path in_folder = fs::absolute(directory / name).lexically_normal();
  if (!fs::exists(in_folder, ignored) && fs::exists(name, ignored))
    return fs::absolute(name).lexically_normal();
  return in_folder;
}

std::map<std::string, std::vector<std::string>> read_knobs(const Value& value, Diagnostics& diagnostics) {
  std::map<std::string, std::vector<std::string>> knobs;
  MapReader reader(value, "knobs", diagnostics);
  for (const Value::Member& member : value.members) {
    std::vector<std::string> values = reader.texts(member.key);
    if (member.value.kind == Value::Kind::kList && values.empty()) reader.error(member.key, "has no values");
    knobs.emplace(member.key, std::move(values));
  }
  reader.finish();
  return knobs;
}

bool has_manifest(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / kManifestName, ignored);
}

/// The folders with manifests: the directory itself, then those in it by name.
std::vector<fs::path> folders_with_manifests(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> folders;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_directory(ignored) && has_manifest(at->path())) folders.push_back(at->path());
  }
  std::sort(folders.begin(), folders.end());
  if (has_manifest(directory)) folders.insert(folders.begin(), directory);
  return folders;
}

}  // namespace

Manifest read_manifest(const fs::path& directory) {
  const Document document = read_yaml((directory / kManifestName).string());
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "", diagnostics);
  Manifest manifest;
  if (reader.require("name")) {
    manifest.name = reader.text("name");
    const std::string problem = name_problem(manifest.name);
    if (!problem.empty()) reader.error("name", problem);
  }
  manifest.description = reader.text("description");
  manifest.kind = reader.choice("kind", manifest.kind, {"native", "command"});
  manifest.devices = reader.integers("devices", 1, 1'000'000);
  if (const Value* knobs = reader.value("knobs")) manifest.knobs = read_knobs(*knobs, diagnostics);
  if (manifest.is_command()) {
    manifest.command = read_command(reader, fs::absolute(directory).lexically_normal(), manifest.knobs);
    if (!reader.has("devices") && !names_devices(manifest.command)) manifest.devices = {1};
  } else if (reader.require("library")) {
    manifest.library = find_library(reader.text("library"), directory);
  }
  reader.finish();
  diagnostics.throw_if_any();
  return manifest;
}

std::string misfit(const Manifest& manifest, const TaskSpec& task) {
  if (manifest.is_command()) return command_misfit(manifest.command, task);
  return task.script ? "a task with 'arguments' is trained by commands only" : "";
}

void check_parallelisms(const Workload& workload, const std::vector<Manifest>& found) {
  std::vector<std::string> names;
  for (const Manifest& manifest : found) names.push_back(manifest.name);
  std::vector<Diagnostic> problems;
  const auto check = [&](const std::vector<std::string>& wanted, Mark mark, const std::string& what) {
    for (const std::string& name : wanted) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      problems.push_back(
          {workload.file.string(), mark.line, mark.column,
           fmt::format("{}: no parallelism '{}'{}; found: {}", what, name, did_you_mean(name, names),
                       names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))),
           ""});
    }
  };
  check(workload.parallelisms, {}, "parallelisms");
  for (const TaskSpec& task : workload.tasks)
    check(task.parallelisms, task.mark, fmt::format("task '{}'", task.name));
  if (!problems.empty()) throw InputError(std::move(problems));
}

std::vector<Manifest> find_parallelisms(const std::vector<fs::path>& search_path) {
  std::map<std::string, Manifest> found;
  std::vector<Diagnostic> problems;
  for (const fs::path& directory : search_path) {
    for (const fs::path& folder : folders_with_manifests(directory)) {
      try {
        Manifest manifest = read_manifest(folder);
        found.emplace(manifest.name, std::move(manifest));
      } catch (const InputError& wrong) {
        problems.insert(problems.end(), wrong.diagnostics().begin(), wrong.diagnostics().end());
      }
    }
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  std::vector<Manifest> sorted;
  for (auto& [name, manifest] : found) sorted.push_back(std::move(manifest));
  return sorted;
}

}  // namespace saturn
