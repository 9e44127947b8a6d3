// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "launch/launcher.h"

namespace saturn {

/// Watches the cluster's GPUs in a process of its own (none while there are no GPUs), so that a driver that
/// hangs or crashes holds up nothing: `watcher`, a command that takes their UUIDs (or numbers: what
/// Device::uuid holds) as further arguments and prints looks (gpu_health.h) as run_gpu_watch does. `warn` is
/// told, from `read`, when nothing is noticed any more. Errors: SystemError (it cannot be started).
std::unique_ptr<DeviceWatch> make_gpu_watch(const Cluster& cluster, std::vector<std::string> watcher,
                                            std::function<void(const std::string&)> warn);

/// That command: a look every few seconds on standard output, until nobody reads it. `gpus`: UUIDs, or
/// numbers as nvidia-smi counts, which are those of now. Returns its exit code.
int run_gpu_watch(const std::vector<std::string>& gpus);

}  // namespace saturn
