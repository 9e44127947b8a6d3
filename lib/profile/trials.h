// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "profile/profile.h"
#include "workload/manifest.h"
#include "workload/workload.h"

namespace saturn {

/// One trial to run: a gang of `devices` tries every candidate of the parallelism on the task.
struct PlannedTrial {
  std::string signature;
  std::shared_ptr<const TaskSpec> task;  ///< the first of those that share the signature; shared by trials
  Manifest parallelism;
  std::int64_t devices = 0;  ///< of the whole gang
  std::string device_kind;
  std::int64_t nodes = 1;  ///< that the gang lies on, as many devices on each
};

/// What a workload needs to have measured.
struct TrialPlan {
  std::string hardware;  ///< as in Profile
  std::vector<Profile::TaskEntry> tasks;
  std::vector<PlannedTrial> trials;  ///< each (signature, parallelism, devices, kind, nodes) once
};

/// "Intel(R) Xeon(R) Processor; cpu: 2 devices of 1 core and 10.2 GiB".
std::string hardware_text(const Cluster& cluster, const Machine& machine);

/// The device counts worth measuring on nodes of up to `node_size` devices when neither the task nor the
/// parallelism says which: all up to 8, beyond that powers of two and the whole node.
std::vector<std::int64_t> default_device_counts(std::int64_t node_size);

/// On how many nodes gangs are worth measuring, that may lie on `most`: 2, 4, 8, ... and all of them.
std::vector<std::int64_t> node_counts(std::int64_t most);

/// Every distinct (speed signature x parallelism x device count x device kind) that some task allows, its
/// parallelism can use and some node has; and of tasks with `across_nodes` the same on whole nodes of a kind,
/// as many devices on each as the smallest of them has. Tasks that differ only in what does not change the
/// speed (learning rate, seed, name) share trials. Errors: InputError with the line of every task that names
/// an unknown parallelism or one that cannot train it, that several commands or none could train, or that
/// fits on no node.
TrialPlan plan_trials(const Workload& workload, const std::vector<Manifest>& parallelisms,
                      const Cluster& cluster, const Machine& machine);

}  // namespace saturn
