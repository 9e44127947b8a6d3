// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/units.h"
#include "workload/knobs.h"

namespace saturn {

/// A candidate that ran. Times are means over the steps after the warm-up.
struct Measured {
  double step_seconds = 0;
  double spread = 0;  ///< standard deviation / mean of the step times
  std::int64_t steps = 0;
  Bytes peak_memory_bytes = 0;         ///< of the fullest rank
  double startup_seconds = 0;          ///< from the start of the processes to ready
  double checkpoint_seconds = 0;       ///< to write one checkpoint, which a stop waits for
  double checkpoint_held_seconds = 0;  ///< that training stands still for one on the way
  double validation_seconds = 0;       ///< of one validation, all its batches
  bool unstable = false;               ///< spread stayed over the limit when measured longer
  std::int64_t total_steps = 0;        ///< of the whole training, as a script says it; 0: it does not

  bool operator==(const Measured&) const = default;
};
struct OutOfMemory {
  std::string message;  ///< "out of memory: ", which limit, by how much
  bool operator==(const OutOfMemory&) const = default;
};
struct NotApplicable {
  std::string why;
  bool operator==(const NotApplicable&) const = default;
};
struct TrialFailed {
  std::string why;
  std::string log_tail;
  bool operator==(const TrialFailed&) const = default;
};
/// How one candidate of a trial ended.
using Outcome = std::variant<Measured, OutOfMemory, NotApplicable, TrialFailed>;

/// {"outcome": "measured" | "out_of_memory" | "not_applicable" | "failed", ...}, as in events.
nlohmann::ordered_json to_json(const Outcome& outcome);
/// Errors: nlohmann::json::exception when a field is missing or of another type.
Outcome outcome_from_json(const nlohmann::json& json);

/// Every rank is up, the model is built, the last checkpoint loaded; the gang waits for "go" on standard
/// input.
struct Ready {
  std::int64_t step = 0;       ///< steps already done (from the checkpoint)
  double startup_seconds = 0;  ///< since the process started, or was admitted
};
/// Sent at most every half second.
struct StepDone {
  std::int64_t step = 0;  ///< steps done so far
  double loss = 0;        ///< of the last step
  double step_seconds =
      0;  ///< mean since the last such event (checkpoints and validations not included); 0: not known
};
/// A validation is under way: a sign of life, sent after its first batch and then every few seconds.
struct Validating {
  std::int64_t step = 0;
  std::int64_t batch = 0;    ///< done so far
  std::int64_t batches = 0;  ///< of this validation
};
struct Validated {
  std::int64_t step = 0;
  double loss = 0;
  double seconds = 0;
};
struct Checkpointed {
  std::int64_t step = 0;
  std::string path;
  double seconds = 0;  ///< from the moment that it holds to its being on the disk
  Bytes bytes = 0;
  double held_seconds = 0;  ///< of these, those in which training stood still
};
/// A checkpoint could not be written (disk full): training goes on without it.
struct CheckpointFailed {
  std::int64_t step = 0;
  std::string message;
};
/// A checkpoint that cannot be used is passed by for the one before.
struct CheckpointSkipped {
  std::string message;  ///< a sentence: which, and what is wrong with it
};
/// Trial mode: one candidate has been tried.
struct CandidateTried {
  Knobs knobs;
  Outcome outcome;
};
/// Trial mode: every candidate has been tried (none, when not applicable).
struct TrialDone {};
/// After TERM: everything is in the checkpoint of this step; the gang leaves.
struct Stopped {
  std::int64_t step = 0;
};
struct Finished {
  std::int64_t step = 0;
  double training_loss = 0;
  double validation_loss = 0;
  std::string weights;  ///< safetensors file of the final parameters
  std::string why;      ///< why it ended before its last step, by its stop rule; empty: it did not
};
struct Failed {
  enum class Reason { kOutOfMemory, kNotFinite, kError };
  Reason reason = Reason::kError;
  std::string message;
};

/// What rank 0 of a gang reports: one line of JSON each on its standard output, `{"event": "step", ...}`.
using Event = std::variant<Ready, StepDone, Validating, Validated, Checkpointed, CheckpointFailed,
                           CheckpointSkipped, CandidateTried, TrialDone, Stopped, Finished, Failed>;

/// One line, with its newline.
std::string to_line(const Event& event);
/// Empty when the line is not a complete event (a script printed something else).
std::optional<Event> parse_event(std::string_view line);

}  // namespace saturn
