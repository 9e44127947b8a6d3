// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "workload/knobs.h"
#include "workload/task.h"

namespace saturn {

/// Rows [begin, end) of a global batch.
struct Rows {
  std::int64_t begin = 0, end = 0;
  std::int64_t count() const { return end - begin; }
  bool operator==(const Rows&) const = default;
};

/// The part of `rows` rows that is rank `rank`'s of `ranks`: even shares.
Rows rows_of_rank(std::int64_t rows, int rank, int ranks);

/// `rows` in portions of at most `size`, in order.
std::vector<Rows> micro_batches(Rows rows, std::int64_t size);

/// The knob "micro_batch" that all built-in parallelisms have: the largest portion of its rows that a device
/// holds at once ("all", "1/2", "1/4": of the `share` rows that are its own), at least one row. A
/// micro_batch_size that the task sets goes before it.
std::int64_t micro_batch_rows(const TaskSpec& task, const Knobs& knobs, std::int64_t share);

/// A guess at how much longer a step takes when its rows go through in portions of `micro` than at once: thin
/// matrices, weights read again. High enough that portions are tried only where the whole does not fit.
double accumulation_factor(std::int64_t share, std::int64_t micro);

/// Every setting with every one of `choices` for the knob: the product, in order.
std::vector<Knobs> with_choices(const std::vector<Knobs>& settings, const std::string& knob,
                                const std::vector<std::string>& choices);

/// All settings of a manifest's knobs for a device with a share of so many rows. Of "micro_batch" those
/// values that come to different portions, and none when the task sets its micro_batch_size.
std::vector<Knobs> knob_settings(const TaskSpec& task,
                                 const std::map<std::string, std::vector<std::string>>& values,
                                 std::int64_t share);

/// Why the task's rows cannot be shared evenly by so many devices; empty when they can.
std::string uneven_share(const TaskSpec& task, std::int64_t devices);

}  // namespace saturn
