// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "launch/job.h"
#include "script/script.h"
#include "script/script_files.h"

namespace saturn {

/// What a script's start depends on besides its job.
struct ScriptStart {
  Knobs knobs;
  SavedCheckpoint checkpoint;           ///< to go on from; an empty path: from the beginning
  std::filesystem::path python_helper;  ///< directory of saturn.py; empty: there is none
  std::string python_path;              ///< PYTHONPATH as it is
};

/// The file that asks a script to save itself and leave, when it is there.
std::filesystem::path stop_file(const Job& job);

/// The process for the job: its words, the variables that scripts and their libraries look at, cores, memory.
/// Pure. Errors: InputError (a field that the task has not).
ScriptSpec script_spec(const Job& job, const ScriptStart& start);

}  // namespace saturn
