// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/document.h"
#include "launch/event.h"
#include "workload/knobs.h"
#include "workload/task.h"

namespace saturn {

/// One knob setting tried for one (signature, parallelism, device count, device kind, number of nodes).
struct Trial {
  std::string signature;
  std::string parallelism;
  std::int64_t devices = 0;  ///< of the whole gang
  std::string device_kind;
  Knobs knobs;
  Outcome outcome;
  std::int64_t nodes = 1;  ///< that the gang was on, as many devices on each

  bool operator==(const Trial&) const = default;
};

/// The profile table: what was tried, and which task has which signature.
struct Profile {
  struct TaskEntry {
    std::string task;
    std::string signature;
    bool operator==(const TaskEntry&) const = default;
  };
  std::string hardware;  ///< device kind and processor: figures of other hardware do not count
  /// Hash of everything that decides what was measured and how (see trials_key in profile/cache.h): under
  /// another one the profile is stale. Empty: trials are missing.
  std::string trials_key;
  std::vector<TaskEntry> tasks;
  std::vector<Trial>
      trials;  ///< ordered by signature, parallelism, kind, devices, nodes; best candidate first

  bool operator==(const Profile&) const = default;
};

/// Puts trials in the order of the table: by signature, parallelism, kind, devices and nodes; within those,
/// measured candidates first, the fastest at the head, the others as they came.
void order_trials(std::vector<Trial>& trials);

/// The fastest measured candidate of that key, or null.
const Trial* best_trial(const Profile& profile, const std::string& signature, const std::string& parallelism,
                        std::int64_t devices, const std::string& device_kind, std::int64_t nodes = 1);

/// The steps that the task's script told when it was tried; 0: it did not.
std::int64_t steps_told(const Profile& profile, const TaskSpec& task);

nlohmann::ordered_json to_json(const Trial& trial);
/// Reads what `to_json` wrote; reports what is wrong to the diagnostics.
Trial trial_from_value(const Value& value, Diagnostics& diagnostics);

/// "schema": "saturn.profile/1".
nlohmann::ordered_json to_json(const Profile& profile);
/// Errors: InputError with every place (truncated, edited wrongly, another schema); SystemError.
Profile read_profile(const std::filesystem::path& file);
/// Writes it indented, as one step. Errors: SystemError.
void write_profile(const std::filesystem::path& file, const Profile& profile);
/// Hash of everything in it.
std::string profile_hash(const Profile& profile);

}  // namespace saturn
