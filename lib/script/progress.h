// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "workload/progress_pattern.h"

namespace saturn {

// What a script says of itself, by the protocol of parallelisms/README.md or through patterns.

/// How long the training is, in steps of the script.
struct ScriptLength {
  std::int64_t steps = 0;
};
/// `step` steps are done.
struct ScriptStep {
  std::int64_t step = 0;
  std::optional<double> loss;            ///< NaN: no finite number
  std::map<std::string, double> values;  ///< whatever else the script measured
};
struct ScriptValidated {
  std::optional<std::int64_t> step;  ///< missing: the last one
  double loss = 0;
};
/// Everything up to `step` is saved in `path`.
struct ScriptCheckpoint {
  std::optional<std::int64_t> step;
  std::string path;
};
struct ScriptFinished {
  std::string weights;  ///< file of the final parameters; may be empty
};
using ScriptNews = std::variant<ScriptLength, ScriptStep, ScriptValidated, ScriptCheckpoint, ScriptFinished>;

/// Finds progress in the lines of a script's output.
class ProgressReader {
 public:
  /// Errors: std::invalid_argument (the manifest's reader has checked the patterns).
  explicit ProgressReader(const std::vector<std::string>& patterns);

  /// What the line says; empty: nothing, it belongs into the log. A line that was meant as an event and is
  /// none is explained in `complaint()`.
  std::vector<ScriptNews> read(std::string_view line);
  /// Why the last line that looks like an event is none; empty: it is one, or does not look like one.
  const std::string& complaint() const { return complaint_; }

 private:
  std::vector<ScriptNews> read_event(std::string_view line);
  std::vector<ScriptNews> read_patterns(std::string_view line) const;

  std::vector<ProgressPattern> patterns_;
  std::string complaint_;
};

}  // namespace saturn
