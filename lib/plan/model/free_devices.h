// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "plan/model/instance.h"
#include "plan/problem.h"

namespace saturn {

/// The devices of one node by number, with the times from which on they are free.
class FreeDevices {
 public:
  explicit FreeDevices(const ProblemNode& node);

  size_t size() const { return free_.size(); }
  /// The earliest start of a gang of that many.
  Millis start(size_t count) const { return free_[count - 1].first; }
  /// When the last of these is free. `devices`: numbers of this node's.
  Millis start_on(const std::vector<int>& devices) const;
  /// Takes `count` devices for a task of that duration, from `start(reserved)` on, and keeps `reserved` of
  /// them from others meanwhile. Returns their numbers, ascending: of the free ones those that became so
  /// last.
  std::vector<int> take(size_t count, size_t reserved, Millis duration);
  /// Takes `count` of those that are free at `at`, until `end`; the ones that became so last.
  std::vector<int> take_at(size_t count, Millis at, Millis end);
  /// Takes these until `end`.
  void take_these(const std::vector<int>& devices, Millis end);

 private:
  void sort();

  std::vector<std::pair<Millis, int>> free_;  ///< ascending; of equal times the highest number first
};

}  // namespace saturn
