// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "workload/stop_rule.h"

namespace saturn {

/// A checkpoint that a script has reported.
struct SavedCheckpoint {
  std::int64_t step = 0;
  std::string path;       ///< absolute; empty: there is none
  int failed_starts = 0;  ///< that went on from it and died before their first step
};

/// The checkpoints that a script has reported, in the file checkpoints.json of the task's directory (schema
/// "saturn.script_checkpoints/1"), the latest last. The newest `keep` stay; older ones in the task's
/// checkpoints folder are removed.
class ScriptCheckpoints {
 public:
  /// A damaged or missing file counts as no checkpoints.
  ScriptCheckpoints(const std::filesystem::path& directory, std::int64_t keep);

  /// The latest one that is still there, of those with the fewest failed starts: one that a script does not
  /// get over is passed over for the one before. The empty path without any.
  SavedCheckpoint latest() const;
  /// A start from it has died before its first step. Errors: SystemError.
  void note_failed_start(const SavedCheckpoint& checkpoint);
  /// A relative path is one in the checkpoints folder. Errors: SystemError (the list cannot be written).
  void add(std::int64_t step, const std::string& path);

 private:
  void remove(const SavedCheckpoint& checkpoint) const;
  void write() const;

  std::filesystem::path directory_;
  std::int64_t keep_;
  std::vector<SavedCheckpoint> saved_;
};

/// The file metrics.jsonl of a script's task, a line for each step ({"step", "loss", "step_seconds", and what
/// else the script measured}) and each validation ({"step", "validation_loss"}). Writing is best effort.
class ScriptMetrics {
 public:
  /// Goes on after `step` steps: lines of later ones, and what is no whole line, are cut off. Errors:
  /// SystemError.
  ScriptMetrics(const std::filesystem::path& file, std::int64_t step);

  void add(std::int64_t step, std::optional<double> loss, double step_seconds,
           const std::map<std::string, double>& values);
  void add_validation(std::int64_t step, double loss);
  /// The last ones; NaN without any.
  double last_loss() const { return last_loss_; }
  double last_validation() const { return last_validation_; }
  /// All, oldest first; a loss that was no finite number is NaN.
  const std::vector<ValidationPoint>& validations() const { return validations_; }

 private:
  void read(const std::filesystem::path& file, std::int64_t step);
  void note_validation(const ValidationPoint& point);

  FileDescriptor fd_;
  double last_loss_, last_validation_;
  std::vector<ValidationPoint> validations_;
};

}  // namespace saturn
