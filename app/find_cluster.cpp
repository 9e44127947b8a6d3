// SPDX-License-Identifier: Apache-2.0
#include "find_cluster.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cluster/nvml.h"
#include "cluster/slurm_cluster.h"
#include "output.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// The GPUs of this machine, unless the worker lacks the module for them.
GpuInventory gpus_for(const fs::path& worker) {
  GpuInventory found = usable_gpus();
  const fs::path prefix = worker.parent_path().parent_path();
  const bool built =
      fs::exists(prefix / "lib/train/saturn-cuda.so") || fs::exists(prefix / "lib/saturn/saturn-cuda.so");
  if (built || found.gpus.empty()) return found;
  found.none_because =
      "saturn-cuda.so, by which the worker uses them, is not built (README.md says what that takes)";
  found.warnings.push_back(fmt::format("{} GPU{} not used: {}", found.gpus.size(),
                                       found.gpus.size() == 1 ? " is" : "s are", found.none_because));
  found.gpus.clear();
  return found;
}

/// This machine's, or what the job has of it.
void find_own_cluster(Session& session, const SlurmJob* job, const SlurmNode* node) {
  const ClusterSpec& spec = session.workload.cluster;
  const bool wants_gpus = may_use_gpus(spec);
  if (wants_gpus) session.machine.gpus = gpus_for(session.worker);
  for (const std::string& warning : session.machine.gpus.warnings) say("warning: " + warning);
  if (job != nullptr) session.machine = confined(std::move(session.machine), *job, *node, wants_gpus);
  session.cluster = discover(spec, session.machine);
  for (const std::string& warning : cluster_warnings(session.cluster)) say("warning: " + warning);
}

void find_slurm_cluster(Session& session, const SlurmAllocation& allocation) {
  const SlurmJob& job = allocation.job;
  say(to_text(allocation));
  const auto here = std::find_if(job.nodes.begin(), job.nodes.end(),
                                 [&](const SlurmNode& node) { return node.name == allocation.this_node; });
  if (here != job.nodes.end() && job.nodes.size() == 1) return find_own_cluster(session, &job, &*here);
  SlurmCluster found = slurm_cluster(session.workload.cluster, job);
  for (const std::string& note : found.notes) say(note);
  session.cluster = std::move(found.cluster);
}

}  // namespace

void find_cluster(Session& session) {
  session.machine = this_machine();
  const DevicesOf devices_of = session.workload.cluster.devices_of;
  if (devices_of != DevicesOf::kMachine) session.allocation = slurm_allocation(slurm_access());
  if (session.allocation) {
    find_slurm_cluster(session, *session.allocation);
  } else if (devices_of == DevicesOf::kSlurm) {
    throw InputError(
        "the workload says `cluster: slurm`, and this is no Slurm allocation (SLURM_JOB_ID is not set): "
        "submit it by sbatch (scripts/slurm/saturn.sbatch shows how), or reach a run that goes on by "
        "srun --overlap --jobid=JOB saturn ...");
  } else {
    find_own_cluster(session, nullptr, nullptr);
  }
}

void take_cluster(Session& session, Cluster cluster) {
  session.machine = this_machine();
  session.cluster = std::move(cluster);
}

}  // namespace saturn
