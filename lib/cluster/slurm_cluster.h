// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "cluster/slurm_allocation.h"

namespace saturn {

struct SlurmCluster {
  Cluster cluster;                 ///< its nodes say where they lie
  std::vector<std::string> notes;  ///< what a person should know: "n4 has no GPU and is not used", ...
};

/// The cluster that the workload asks for in a job on any number of nodes. Pure.
/// `auto`: every GPU, one node of the cluster for each of the job's ("n1"), or for each type of GPU on it
/// ("n1-h100"); without GPUs, or where slots are asked for, CPU slots of every node, `slots` of each. Kinds
/// are Slurm's types ("gpu" where the site has named none); the memory of GPUs is not known here (0). Of
/// devices of a kind the least cores and memory that any has is used of all: speeds are measured per kind.
/// Explicit nodes: one with the name of a node of the job lies there; the others, the largest first, where
/// the fewest devices are free that suffice. Cores and memory that they leave open are shared out as
/// `discover` does. Errors: InputError with every node that finds no place, and everything that `discover`
/// refuses.
SlurmCluster slurm_cluster(const ClusterSpec& spec, const SlurmJob& job);

/// Whether the cluster is of a job's nodes, which agents reach; else it is this machine's. Pure.
bool is_of_slurm_nodes(const Cluster& cluster);

/// What the job leaves of this machine, which is that node of it: so many cores, so much memory. Errors:
/// InputError, when `wants_gpus` and more or fewer are visible than Slurm has given.
Machine confined(Machine machine, const SlurmJob& job, const SlurmNode& node, bool wants_gpus);

}  // namespace saturn
