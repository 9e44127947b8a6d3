// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "plan/problem.h"

namespace saturn {

/// Reads an instance in the text format of README.md ("Planning instances"). Errors: std::runtime_error that
/// names the file and what was expected.
Problem read_instance(const std::filesystem::path& file);
std::string to_instance_text(const Problem& problem);

/// How a task's run time falls with its devices.
struct Family {
  std::string name;  ///< good, poor, mixed or mem (as mixed, but small gangs run out of memory)
  int tasks = 0;
  std::vector<int> node_sizes;  ///< devices per node
  std::uint64_t seed = 0;
};
/// A sweep of that family: classes of one to five learning-rate twins, durations by Amdahl's law with noise.
/// The same for the same seed. Errors: std::runtime_error for an unknown name.
Problem generate_instance(const Family& family);

}  // namespace saturn
