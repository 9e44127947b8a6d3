// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace saturn {

/// The command line of saturn-worker.
struct WorkerOptions {
  std::filesystem::path job;
  int rank = 0;
  std::filesystem::path rendezvous;  ///< see make_shared_memory_communicator; unused by a gang of one
  /// The job as it looks while another gang still uses the device; empty: the device is free. `job` is read
  /// when the gate opens, and differs from it by what the task has done meanwhile.
  std::filesystem::path ahead;
  /// Rank 0 of a gang on several nodes: a socket that listens for the ranks of the others, at the address
  /// that the environment has (base/gang_address.h).
  int listener = -1;
  int gate = -1;  ///< a descriptor: a byte in it, one for each rank, says that the device is free
};

/// Runs one rank of a job to its end and returns the process's exit status: 0 = finished, stopped or tried, 1
/// = failed (rank 0 has said why in a Failed event, every rank in the log). Takes over the process: standard
/// output, signals, affinity, tensor memory.
int run_worker(const WorkerOptions& options);

}  // namespace saturn
