// SPDX-License-Identifier: Apache-2.0
#include "workload/command_reader.h"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

#include "workload/progress_pattern.h"
#include "workload/sweep.h"
#include "workload/sweep_paths.h"
#include "workload/template.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// Every field that a template may name. "checkpoint" stands only where there is one.
std::vector<std::string> field_names(const std::map<std::string, std::vector<std::string>>& knobs,
                                     bool resuming) {
  std::vector<std::string> names = command_field_names();
  if (!resuming) std::erase(names, "checkpoint");
  for (const auto& [name, values] : knobs) names.push_back("knobs." + name);
  for (const std::string& path : task_paths()) {
    if (path != "arguments") names.push_back(path);  // the map as a whole
  }
  return names;
}

class TemplateChecker {
 public:
  TemplateChecker(std::vector<std::string> names, MapReader& manifest)
      : names_(std::move(names)), manifest_(manifest) {}

  void check(const std::string& key, const Value& value) const {
    if (value.scalar == "{arguments}" && key != "environment") return;
    const Rendered rendered =
        render_template(value.scalar, [&](const std::string& name) { return field(name); });
    if (!rendered.problem.empty())
      manifest_.diagnostics().error(value.mark, fmt::format("{}: {}", key, rendered.problem));
  }

 private:
  Rendered field(const std::string& name) const {
    if (is_task_path(name, names_)) return {};
    if (name == "checkpoint") return {"", "'{checkpoint}' can stand in 'resume' only: there may be none"};
    if (name == "arguments")
      return {"", "'{arguments}' must be a word of its own; name one: {arguments.NAME}"};
    if (name.starts_with("knobs."))
      return {"", fmt::format("there is no knob '{}'{}", name.substr(6), did_you_mean(name, names_))};
    return {"", fmt::format("there is no field '{}'{}", name, suggest_path(name, names_))};
  }

  std::vector<std::string> names_;
  MapReader& manifest_;
};

std::vector<std::string> read_words(MapReader& manifest, const std::string& key,
                                    const TemplateChecker& checker) {
  const Value* value = manifest.value(key);
  if (value == nullptr) return {};
  for (const Value& item : value->items) checker.check(key, item);
  if (value->kind == Value::Kind::kScalar) checker.check(key, *value);
  return manifest.texts(key);
}

std::map<std::string, std::string> read_environment(MapReader& manifest, const TemplateChecker& checker) {
  std::map<std::string, std::string> environment;
  const Value* value = manifest.value("environment");
  if (value == nullptr) return environment;
  MapReader reader(*value, "environment", manifest.diagnostics());
  for (const Value::Member& member : value->members) {
    if (member.key.empty() || member.key.find('=') != std::string::npos)
      manifest.diagnostics().error(member.mark,
                                   fmt::format("environment: '{}' names no variable", member.key));
    environment[member.key] = reader.text(member.key);
    checker.check("environment", member.value);
  }
  reader.finish();
  return environment;
}

std::vector<std::string> read_patterns(MapReader& manifest) {
  const Value* value = manifest.value("progress");
  if (value == nullptr) return {};
  MapReader reader(*value, "progress", manifest.diagnostics());
  if (!reader.require("pattern")) return {};
  const std::vector<std::string> patterns = reader.texts("pattern");
  const Value& written = *reader.value("pattern");
  bool finds_step = false, sound = true;
  for (size_t i = 0; i < patterns.size(); ++i) {
    try {
      finds_step = ProgressPattern(patterns[i]).has("step") || finds_step;
    } catch (const std::invalid_argument& error) {
      sound = false;
      const Mark mark = i < written.items.size() ? written.items[i].mark : written.mark;
      manifest.diagnostics().error(mark, fmt::format("progress: pattern: {}", error.what()));
    }
  }
  if (sound && !finds_step)
    reader.error("pattern", R"(has no group 'step': write (?<step>\d+) around the step's number)");
  reader.finish();
  return patterns;
}

fs::path read_working_directory(MapReader& manifest, const fs::path& folder) {
  const fs::path given = manifest.text("working_directory");
  const fs::path directory = given.empty() ? folder : (folder / given).lexically_normal();
  std::error_code ignored;
  if (!given.empty() && !fs::is_directory(directory, ignored))
    manifest.error("working_directory", fmt::format("is no directory: {}", directory.string()));
  return directory;
}

}  // namespace

CommandSpec read_command(MapReader& manifest, const fs::path& folder,
                         const std::map<std::string, std::vector<std::string>>& knobs) {
  CommandSpec command;
  command.folder = folder.string();
  if (manifest.require("command")) {
    command.argv = read_words(manifest, "command", TemplateChecker(field_names(knobs, false), manifest));
    if (command.argv.empty() || command.argv.front().empty()) manifest.error("command", "names no program");
  }
  command.resume = read_words(manifest, "resume", TemplateChecker(field_names(knobs, true), manifest));
  command.environment = read_environment(manifest, TemplateChecker(field_names(knobs, false), manifest));
  command.patterns = read_patterns(manifest);
  command.working_directory = read_working_directory(manifest, folder).string();
  command.stop_signal = manifest.choice("stop_signal", command.stop_signal, kStopSignals);
  return command;
}

}  // namespace saturn
