// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/document.h"
#include "workload/knobs.h"
#include "workload/task.h"

namespace saturn {

/// How a parallelism of kind `command` starts a script and hears it. argv, resume and the environment's
/// values are templates; see CommandFields.
struct CommandSpec {
  std::vector<std::string> argv;
  std::vector<std::string> resume;    ///< added when there is a checkpoint to go on from
  std::vector<std::string> patterns;  ///< of progress in its output; see ProgressPattern
  std::map<std::string, std::string> environment;
  std::string working_directory;     ///< absolute
  std::string folder;                ///< of the manifest, absolute
  std::string stop_signal = "TERM";  ///< one of kStopSignals

  bool operator==(const CommandSpec&) const = default;
};

/// What may ask a script to save itself and leave; "none": only the stop file does.
inline const std::vector<std::string> kStopSignals{"TERM", "INT", "HUP", "USR1", "USR2", "none"};

/// Key-ordered JSON; `command_from_value` reads it, reporting what is wrong.
nlohmann::ordered_json to_json(const CommandSpec& command);
CommandSpec command_from_value(const Value& value, Diagnostics& diagnostics);

/// What the fields of a command's templates stand for: {devices}, {device_list}, {core_list}, {directory},
/// {checkpoints}, {checkpoint}, {manifest}, {knobs.NAME}, and every field of the task by its path
/// ({optimizer.lr}, {arguments.depth}). A word that is just {arguments} becomes a word --NAME=VALUE for each.
struct CommandFields {
  TaskSpec task;
  Knobs knobs;
  std::vector<std::string> devices;  ///< UUIDs of GPUs, numbers of slots
  std::vector<int> cores;            ///< of all of them
  std::string directory;             ///< the task's
  std::string checkpoint;            ///< to go on from; empty: none
};

/// The fields beside the task's and `knobs.NAME`.
const std::vector<std::string>& command_field_names();

/// Where scripts keep checkpoints, within the task's directory.
std::string checkpoints_directory(const std::string& task_directory);

/// A process to start.
struct CommandLine {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  ///< what the manifest sets
  std::string working_directory;

  bool operator==(const CommandLine&) const = default;
};

/// Pure. Errors: InputError when the task has not what a field names (see command_misfit).
CommandLine expand_command(const CommandSpec& command, const CommandFields& fields);

/// Why the command cannot train the task: the first field that it names and the task does not have. Empty: it
/// can. A length that the script itself will tell counts as missing.
std::string command_misfit(const CommandSpec& command, const TaskSpec& task);

/// Whether the command asks how many devices it has, or which.
bool names_devices(const CommandSpec& command);

/// A line for a shell that does the same.
std::string to_shell(const CommandLine& line);
/// The word as a shell reads it: quoted where it must be.
std::string shell_word(const std::string& word);

}  // namespace saturn
