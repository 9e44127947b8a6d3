// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace saturn {

/// A parallelism to be held to what all of them promise.
struct ConformanceSubject {
  std::string name;
  std::filesystem::path library;
  std::map<std::string, std::vector<std::string>> knobs;  ///< as in its manifest
};

/// Reads [{"name", "library", "knobs": {NAME: [VALUE, ...]}}, ...]. Errors: InputError, SystemError.
std::vector<ConformanceSubject> read_conformance_subjects(const std::filesystem::path& file);

/// Trains small models in float64 for ten steps under every subject, on 1, 2 and 4 ranks (threads of this
/// process) and with every knob setting that it offers there, and compares losses, weights and optimizer
/// state with plain training on one device; then stops at step 5 under each and goes on under each, through
/// checkpoint files. Writes one line for each, tab-separated: model, what (the subject with its number of
/// devices and its knobs), largest difference, "ok" or what is wrong. Returns whether all is well, which
/// means differences below 1e-9. Models with batch norm are held to it only where all rows go through
/// together: its statistics are over those.
bool run_conformance(const std::vector<ConformanceSubject>& subjects, std::FILE* out);

}  // namespace saturn
