// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/fit.h"
#include "plan/master.h"
#include "plan/search.h"

namespace saturn {

/// Logic-based Benders decomposition: the master program (CBC) says which options run where, the oracle
/// (fit.h) whether each node can run its share by the target; what it refuses becomes a cut. The target is
/// just under the best plan, so every success is a better plan and an infeasible master proves the best one
/// optimal. Keeps its cuts between calls of `run`: they hold for every smaller target. Needs a regular
/// instance; owned by one thread.
class Exact {
 public:
  explicit Exact(Search& search) : search_(search) {}

  /// Works until the search is done, the deadline has passed, or nothing more can be proven (`stuck`).
  void run(const Deadline& deadline);
  /// Some oracle gave up and the rest has been ruled out: another target may still work.
  bool stuck() const { return stuck_; }

 private:
  struct Share {  ///< what the master gave one place
    std::vector<FitItem> items;
    std::vector<int> columns;  ///< per item: index into Master::columns
  };
  Share share_of(const Master& master, const MilpResult& solution, size_t place) const;
  FitResult ask(const std::vector<FitItem>& items, const std::vector<Millis>& free, Millis target,
                std::int64_t work, const Deadline& deadline) const;
  bool try_target(Millis target, const Deadline& deadline);
  bool place_shares(const Master& master, const MilpResult& solution, Millis target,
                    const Deadline& deadline);
  void add_cut(std::vector<FitItem> items, const std::vector<Millis>& free, Millis target,
               const Deadline& deadline);
  std::vector<FitItem> shrink(std::vector<FitItem> items, const std::vector<Millis>& free, Millis target,
                              const Deadline& deadline) const;
  bool take_away(std::vector<FitItem>& items, const std::vector<Millis>& free, Millis target,
                 const Deadline& deadline) const;
  bool shorten(std::vector<FitItem>& items, const std::vector<Millis>& free, Millis target,
               const Deadline& deadline) const;
  Millis next_shorter(const FitItem& item) const;

  Search& search_;
  std::vector<Cut> cuts_;
  std::vector<Cut> guesses_;  ///< the oracle gave up on these: no proof while they are in use
  bool stuck_ = false;
};

}  // namespace saturn
