// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "workload/stop_rule.h"

namespace saturn {

/// One training step, as a line of metrics.jsonl.
struct StepMetrics {
  std::int64_t step = 0;  ///< steps done, this one included
  double loss = 0;
  double learning_rate = 0;
  double gradient_norm = 0;
  double step_seconds = 0;
  double samples_per_second = 0;  ///< sequences, or samples
  double tokens_per_second = 0;   ///< of sequences of tokens; 0 otherwise
};

/// The file metrics.jsonl of a task: a line for each step ({"step", "loss", "lr", "gradient_norm",
/// "step_seconds", "samples_per_second" and, of tokens, "tokens_per_second"}) and one for each validation
/// ({"step", "validation_loss"}), in the order in which they happened, each step once. A value that is no
/// finite number is null. Writing is best effort: a full disk costs lines, not the training.
class MetricsFile {
 public:
  /// Opens the file to go on after `step` steps: lines of later steps, and what is no whole line, are cut
  /// off. With `redo_validation`, a validation at `step` is cut off too. Errors: SystemError.
  MetricsFile(const std::filesystem::path& path, std::int64_t step, bool redo_validation);

  void add(const StepMetrics& metrics);
  void add_validation(std::int64_t step, double loss);
  /// In the file when it was opened, oldest first; a loss that was no finite number is NaN.
  const std::vector<ValidationPoint>& earlier_validations() const { return earlier_validations_; }
  /// Of the last step in the file.
  std::optional<double> last_loss() const { return last_loss_; }

 private:
  void write(const std::string& line);

  FileDescriptor fd_;
  std::vector<ValidationPoint> earlier_validations_;
  std::optional<double> last_loss_;
};

}  // namespace saturn
