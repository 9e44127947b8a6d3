// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "workload/knobs.h"
#include "workload/workload.h"

namespace saturn {

/// What a parallelism's folder says of itself in parallelism.yaml.
struct Manifest {
  std::string name;
  std::string description;
  std::string kind = "native";  ///< native: a shared object that saturn-worker loads (command: a later issue)
  std::filesystem::path
      library;  ///< absolute, in the folder or else in the working directory; need not exist
  std::vector<std::int64_t> devices;                      ///< device counts it can use; empty = any
  std::map<std::string, std::vector<std::string>> knobs;  ///< candidate values of each knob
};

/// Reads DIRECTORY/parallelism.yaml. Errors: InputError, SystemError.
Manifest read_manifest(const std::filesystem::path& directory);

/// Every parallelism found: a folder with a manifest in one of the directories, the first of a name wins;
/// sorted by name. Errors: InputError with what is wrong in all of them, SystemError.
std::vector<Manifest> find_parallelisms(const std::vector<std::filesystem::path>& search_path);

/// Checks that every parallelism the workload names was found. Errors: InputError with each that was not, and
/// the names that there are.
void check_parallelisms(const Workload& workload, const std::vector<Manifest>& found);

}  // namespace saturn
