// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "workload/command.h"
#include "workload/knobs.h"
#include "workload/workload.h"

namespace saturn {

/// What a parallelism's folder says of itself in parallelism.yaml.
struct Manifest {
  std::string name;
  std::string description;
  std::string kind = "native";  ///< native: a shared object that saturn-worker loads; command: a script
  std::filesystem::path
      library;          ///< native: absolute, in the folder or else in the working directory; need not exist
  CommandSpec command;  ///< command: how it is started
  std::vector<std::int64_t> devices;                      ///< device counts it can use; empty = any
  std::map<std::string, std::vector<std::string>> knobs;  ///< candidate values of each knob

  bool is_command() const { return kind == "command"; }
};

/// Why the parallelism cannot train the task, whatever the devices; empty: it can. A script's task takes a
/// command that finds in it what it asks for; the others take native ones, and commands that they name. Pure.
std::string misfit(const Manifest& manifest, const TaskSpec& task);

/// Reads DIRECTORY/parallelism.yaml. Errors: InputError, SystemError.
Manifest read_manifest(const std::filesystem::path& directory);

/// Every parallelism found: a folder with a manifest that is, or is in, one of the directories, the first of
/// a name wins;
/// sorted by name. Errors: InputError with what is wrong in all of them, SystemError.
std::vector<Manifest> find_parallelisms(const std::vector<std::filesystem::path>& search_path);

/// Checks that every parallelism the workload names was found. Errors: InputError with each that was not, and
/// the names that there are.
void check_parallelisms(const Workload& workload, const std::vector<Manifest>& found);

}  // namespace saturn
