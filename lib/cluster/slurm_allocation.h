// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/units.h"

namespace saturn {

/// A GPU that Slurm has given to a job.
struct SlurmGpu {
  std::string type;  ///< "h100", as the site has named it; empty: it has not
  int index = 0;     ///< on its node, as Slurm counts (IDX)

  bool operator==(const SlurmGpu&) const = default;
};

/// What a job has of one node.
struct SlurmNode {
  std::string name;
  std::vector<int> cpus;       ///< as Slurm counts, which need not be as the kernel does
  Bytes memory_bytes = 0;      ///< 0 = not limited
  std::vector<SlurmGpu> gpus;  ///< ascending by index

  bool operator==(const SlurmNode&) const = default;
};

/// A job of Slurm's and what it has.
struct SlurmJob {
  std::string id;
  std::string state;                  ///< "RUNNING", "COMPLETED", ...
  std::string reason;                 ///< why it is in that state; empty: nothing is said
  std::vector<SlurmNode> nodes;       ///< of a running one
  std::optional<Seconds> time_limit;  ///< empty: none
  Seconds run_time{0};
  int restarts = 0;

  /// Until the limit; empty: there is none.
  std::optional<Seconds> time_left() const;
  bool operator==(const SlurmJob&) const = default;
};

/// Reads the record of one job in what `scontrol show job -d ID` prints (Slurm 22.05 and later; without -o,
/// where a name that a user chose may look like a field; of an array the record of every job is printed).
/// Pure. Otherwise what cannot be read, for a message.
std::variant<SlurmJob, std::string> parse_job(std::string_view text, std::string_view id);

/// Slurm's durations: "05:30", "01:05:30", "2-01:05:30" (days); empty for anything else.
std::optional<Seconds> parse_slurm_time(std::string_view text);

}  // namespace saturn
