// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/units.h"
#include "plan/model/solver_use.h"

namespace saturn {

/// How much a solve may still do, in steps: a step is about one gang put onto one timeline, some nanoseconds.
/// The same steps are the same work on every machine. One thread's at a time.
struct Work {
  std::int64_t left = 0;
  bool limited = false;
};

/// When a search must stop: at a point in time, when its work is done, or when another thread says so. The
/// only clock that planning sees. Owns neither `cancel` nor `work`, nor the account of what solvers take.
class Deadline {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Deadline(Time at, const std::atomic<bool>* cancel, Work* work = nullptr)
      : at_(at), cancel_(cancel), work_(work) {}
  static Deadline in(Seconds span, const std::atomic<bool>* cancel = nullptr, Work* work = nullptr) {
    const Seconds bounded = std::clamp(span, Seconds(0), Seconds(1e8));
    return {std::chrono::steady_clock::now() +
                std::chrono::duration_cast<std::chrono::steady_clock::duration>(bounded),
            cancel, work};
  }

  /// The same, with an account for what MILP solvers take.
  Deadline counting(SolverUse* use) const {
    Deadline result = *this;
    result.solver_use_ = use;
    return result;
  }
  SolverUse* solver_use() const { return solver_use_; }

  bool cancelled() const { return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed); }
  /// Then nothing else may end a piece of work early: the result must not depend on the machine.
  bool counts_work() const { return work_ != nullptr && work_->limited; }
  bool out_of_work() const { return counts_work() && work_->left <= 0; }
  bool passed() const { return cancelled() || out_of_work() || std::chrono::steady_clock::now() >= at_; }
  void spend(std::int64_t steps) const {
    if (counts_work()) work_->left -= steps;
  }
  const std::atomic<bool>* cancel() const { return cancel_; }
  /// Never negative; zero when cancelled or out of work.
  Seconds left() const {
    if (cancelled() || out_of_work()) return Seconds(0);
    return std::max(Seconds(0), Seconds(at_ - std::chrono::steady_clock::now()));
  }
  /// The earlier of this deadline and `span` from now; of a deadline that counts work, itself.
  Deadline within(Seconds span) const {
    if (counts_work()) return *this;
    Deadline result = *this;
    result.at_ = std::min(at_, in(span).at_);
    return result;
  }

 private:
  Time at_;
  const std::atomic<bool>* cancel_;
  Work* work_;
  SolverUse* solver_use_ = nullptr;
};

}  // namespace saturn
