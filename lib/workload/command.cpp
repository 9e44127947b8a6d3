// SPDX-License-Identifier: Apache-2.0
#include "workload/command.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "workload/template.h"

namespace saturn {
namespace {

constexpr const char* kAllArguments = "{arguments}";
constexpr std::string_view kKnobPrefix = "knobs.";
constexpr std::string_view kArguments = "arguments.";

std::string text_of(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> items;
  for (const auto& item : value) items.push_back(text_of(item));
  return fmt::format("{}", fmt::join(items, ","));
}

/// A field of the task by its path, as JSON has it.
Rendered task_field(const nlohmann::ordered_json& task, const std::string& path) {
  const nlohmann::ordered_json* at = &task;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, end - begin);
    if (!at->is_object() || !at->contains(key)) return {"", fmt::format("the task has no '{}'", path)};
    at = &(*at)[key];
    begin = end + 1;
  }
  if (at->is_object()) return {"", fmt::format("'{}' of the task is a map; name one field of it", path)};
  if (path == "steps" && *at == 0) return {"", "the task has no 'steps'"};
  return {text_of(*at), ""};
}

class Expander {
 public:
  Expander(const CommandSpec& command, const CommandFields& fields)
      : command_(command), fields_(fields), task_(to_json(fields.task)) {}

  Rendered text(const std::string& text) const {
    return render_template(text, [&](const std::string& name) { return field(name); });
  }
  /// The words that one of the template becomes; empty `problem`: they were added.
  std::string add_words(const std::string& word, std::vector<std::string>& words) const {
    if (word == kAllArguments) {
      for (const auto& [name, value] : fields_.task.arguments) words.push_back("--" + name + "=" + value);
      return fields_.task.script ? "" : "the task has no 'arguments'";
    }
    Rendered rendered = text(word);
    words.push_back(std::move(rendered.text));
    return rendered.problem;
  }

 private:
  Rendered field(const std::string& name) const {
    if (name == "devices") return {std::to_string(fields_.devices.size()), ""};
    if (name == "device_list") return {fmt::format("{}", fmt::join(fields_.devices, ",")), ""};
    if (name == "core_list") return {fmt::format("{}", fmt::join(fields_.cores, ",")), ""};
    if (name == "directory") return {fields_.directory, ""};
    if (name == "checkpoints") return {checkpoints_directory(fields_.directory), ""};
    if (name == "checkpoint") return {fields_.checkpoint, ""};
    if (name == "manifest") return {command_.folder, ""};
    if (name.starts_with(kKnobPrefix)) {
      const auto found = fields_.knobs.find(name.substr(kKnobPrefix.size()));
      if (found == fields_.knobs.end()) return {"", fmt::format("the knob '{}' is not set", name)};
      return {found->second, ""};
    }
    return task_field(task_, name);
  }

  const CommandSpec& command_;
  const CommandFields& fields_;
  nlohmann::ordered_json task_;
};

/// The command line, and the first problem on the way.
std::pair<CommandLine, std::string> expand(const CommandSpec& command, const CommandFields& fields) {
  const Expander expander(command, fields);
  CommandLine line;
  std::string problem;
  const auto note = [&](const std::string& found) {
    if (problem.empty()) problem = found;
  };
  for (const std::string& word : command.argv) note(expander.add_words(word, line.argv));
  if (!fields.checkpoint.empty()) {
    for (const std::string& word : command.resume) note(expander.add_words(word, line.argv));
  }
  for (const auto& [name, value] : command.environment) {
    Rendered rendered = expander.text(value);
    note(rendered.problem);
    line.environment[name] = std::move(rendered.text);
  }
  line.working_directory = command.working_directory;
  return {std::move(line), std::move(problem)};
}

/// Knobs with any value, for a check of everything else.
Knobs any_knobs(const CommandSpec& command) {
  Knobs knobs;
  const auto note = [&](const std::string& text) {
    (void)render_template(text, [&](const std::string& name) {
      if (name.starts_with(kKnobPrefix)) knobs[name.substr(kKnobPrefix.size())] = "";
      return Rendered{};
    });
  };
  for (const std::string& word : command.argv) note(word);
  for (const std::string& word : command.resume) note(word);
  for (const auto& [name, value] : command.environment) note(value);
  return knobs;
}

}  // namespace

nlohmann::ordered_json to_json(const CommandSpec& command) {
  return {{"argv", command.argv},
          {"resume", command.resume},
          {"patterns", command.patterns},
          {"environment", command.environment},
          {"working_directory", command.working_directory},
          {"folder", command.folder},
          {"stop_signal", command.stop_signal}};
}

CommandSpec command_from_value(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "command", diagnostics);
  CommandSpec command;
  command.argv = reader.texts("argv");
  command.resume = reader.texts("resume");
  command.patterns = reader.texts("patterns");
  if (const Value* environment = reader.value("environment")) {
    for (const Value::Member& member : environment->members)
      command.environment[member.key] = member.value.scalar;
  }
  command.working_directory = reader.text("working_directory");
  command.folder = reader.text("folder");
  command.stop_signal = reader.choice("stop_signal", command.stop_signal, kStopSignals);
  reader.finish();
  return command;
}

const std::vector<std::string>& command_field_names() {
  static const std::vector<std::string> names{"devices",     "device_list", "core_list", "directory",
                                              "checkpoints", "checkpoint",  "manifest"};
  return names;
}

std::string checkpoints_directory(const std::string& task_directory) {
  return task_directory + "/checkpoints";
}

CommandLine expand_command(const CommandSpec& command, const CommandFields& fields) {
  auto [line, problem] = expand(command, fields);
  if (!problem.empty()) throw InputError(fmt::format("task '{}': {}", fields.task.name, problem));
  return line;
}

std::string command_misfit(const CommandSpec& command, const TaskSpec& task) {
  const CommandFields fields{task, any_knobs(command), {"0"}, {0}, "DIRECTORY", "CHECKPOINT"};
  return expand(command, fields).second;
}

bool names_devices(const CommandSpec& command) {
  std::string all;
  for (const std::string& word : command.argv) all += word + " ";
  for (const auto& [name, value] : command.environment) all += value + " ";
  return all.find("{devices}") != std::string::npos || all.find("{device_list}") != std::string::npos;
}

std::string shell_word(const std::string& word) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=/:{},@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string to_shell(const CommandLine& line) {
  std::string text = "cd " + shell_word(line.working_directory) + " &&";
  for (const auto& [name, value] : line.environment) text += " " + name + "=" + shell_word(value);
  for (const std::string& word : line.argv) text += " " + shell_word(word);
  return text;
}

}  // namespace saturn
