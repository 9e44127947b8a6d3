// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "profile/trials.h"

namespace saturn {

/// What decides the figures of a trial besides the trial itself.
struct TrialConditions {
  std::string cpu_model;
  std::string worker;  ///< version or content hash of the worker binary; commands have none
  ProfileSettings settings;
  std::string gpu_driver;  ///< version; counts for trials on GPUs
};

/// A readable text that is equal for two trials exactly when the figures of one hold for the other:
/// signature, parallelism (name, knobs, content of its library; of a command what the manifest says and the
/// files that it names), device count, kind, cores, memory, name and number of the devices (they share the
/// machine's memory bus), processor, driver, worker, and the settings that decide how long is measured.
/// Errors: SystemError when the library cannot be read.
std::string trial_key(const PlannedTrial& trial, const Cluster& cluster, const TrialConditions& conditions);

/// Hash of the keys of all trials of the plan and of its tasks: the same when a profile made for one is good
/// for the other. Errors: SystemError.
std::string trials_key(const TrialPlan& plan, const Cluster& cluster, const TrialConditions& conditions);

/// Results of trials on disk, one small JSON file per key (schema "saturn.trial/1"); may be deleted at any
/// time and shared by processes (files are replaced as a whole). Copies are views of the same directory.
class TrialCache {
 public:
  /// `directory` is made when something is stored; empty = nothing is found and nothing stored.
  explicit TrialCache(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// ${XDG_CACHE_HOME:-~/.cache}/saturn/trials; empty when neither variable is set.
  static std::filesystem::path default_directory();

  /// The rows of that trial; empty when it is not there, or damaged (it is measured and written again then).
  std::optional<std::vector<Trial>> find(const std::string& key) const;

  /// Keeps the rows, unless one failed: a failure may be gone the next time. Errors: SystemError.
  void store(const std::string& key, const std::vector<Trial>& rows) const;

 private:
  std::filesystem::path file_of(const std::string& key) const;

  std::filesystem::path directory_;
};

}  // namespace saturn
