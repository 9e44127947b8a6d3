// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "base/units.h"
#include "cluster/cluster.h"

namespace saturn {

/// Reads what the kernel says under `root` ("/" but in tests): /proc/meminfo, /proc/cpuinfo and the limits of
/// the process's control groups (versions 1 and 2; the tightest of the group and all above it). `allowed` are
/// the cores of the process's affinity mask: with a CPU quota of q cores the first max(1, floor(q)) stay.
/// What cannot be read does not limit; memory is 0 when unknown.
Machine read_machine(const std::filesystem::path& root, std::vector<int> allowed);

/// What the process could still take: the kernel's MemAvailable, and no more than any control group above the
/// process leaves (its limit less what is in use; cached files of a group of version 2 are not in use). 0
/// when unknown.
Bytes available_memory(const std::filesystem::path& root = "/");

}  // namespace saturn
