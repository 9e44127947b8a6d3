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

namespace saturn {

/// One knob setting tried for one (signature, parallelism, device count, device kind).
struct Trial {
  std::string signature;
  std::string parallelism;
  std::int64_t devices = 0;
  std::string device_kind;
  Knobs knobs;
  Outcome outcome;

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
  std::vector<TaskEntry> tasks;
  std::vector<Trial> trials;  ///< ordered by signature, parallelism, kind, devices; best candidate first

  bool operator==(const Profile&) const = default;
};

/// The fastest measured candidate of that key, or null.
const Trial* best_trial(const Profile& profile, const std::string& signature, const std::string& parallelism,
                        std::int64_t devices, const std::string& device_kind);

nlohmann::ordered_json to_json(const Profile& profile);
/// Errors: InputError with every place (truncated, edited wrongly, another schema); SystemError.
Profile read_profile(const std::filesystem::path& file);
std::string profile_hash(const Profile& profile);

}  // namespace saturn
