// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <vector>

#include "plan/model/instance.h"

namespace saturn {

/// What every task costs at least, by when it is to have ended: nothing is known of the others' places. Needs
/// a regular instance, or a `relaxed` one; does not own it.
class LeastAreas {
 public:
  static constexpr Millis kNever = std::numeric_limits<Millis>::max();

  explicit LeastAreas(const Instance& instance);

  /// The least device time with which every task can end by `target`; kNever when some task cannot.
  Millis by(Millis target) const;
  /// From when on every task can end, each by itself.
  Millis possible_from() const;

 private:
  /// A task's ways to end: when at the earliest, and for how much device time.
  struct Way {
    Millis end;
    Millis area;
  };
  static std::vector<Way> ways_of(const Instance& instance, const InstanceTask& task);

  const Instance& instance_;
  std::vector<std::vector<Way>> ways_;  ///< per class: by end, each of less device time than those before it
};

}  // namespace saturn
