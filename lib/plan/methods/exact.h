// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/methods/fit.h"
#include "plan/milp/master.h"
#include "plan/model/search.h"

namespace saturn {

/// Above so many tasks the master has too many columns.
constexpr size_t kLargestExact = 120;

/// Logic-based Benders decomposition: the master (enumerate.h while that is quick, then CBC) says which
/// options run where, the oracle (fit.h) whether each node can run its share by the target; what it refuses
/// becomes a cut. The target is just under the best plan, so every success is a better plan and a refused
/// master proves the best one optimal. Keeps its cuts between calls of `run`: they hold for every smaller
/// target. Needs a regular instance; owned by one thread.
class Exact {
 public:
  /// `enumeration_work`: steps of the first run's enumeration; 0 = CBC does it all.
  explicit Exact(Search& search, std::int64_t enumeration_work = 1000000, MilpSolver solver = solve_milp)
      : search_(search),
        masters_(search.instance(), std::move(solver)),
        enumeration_work_(enumeration_work) {}

  /// Works until the search is done, the deadline has passed, or this effort is used up; the next call takes
  /// more.
  void run(const Deadline& deadline);

  /// What is known of the plans that end by a limit.
  struct LeastArea {
    std::optional<Sequences> plan;  ///< one of little device time, if any was found
    Millis bound = 0;               ///< no plan that ends by the limit takes less device time; 0 = unknown
  };
  /// Looks for the plan of least device time among those that end by `limit`: the master has that objective
  /// anyway. `limit` is the same in every call for this object, and `run` is not called for it.
  LeastArea least_area(Millis limit, const Deadline& deadline);

 private:
  enum class Outcome { kRefused, kImproved, kOpen };
  struct Share {  ///< what the master gave one place
    std::vector<FitItem> items;
    std::vector<int> columns;  ///< per item: index into Master::columns
    std::vector<FitItem> staying;
    std::vector<int> staying_columns;
  };
  Share share_of(const Master& master, const std::vector<int>& counts, size_t place) const;
  Outcome enumerate(Millis target, const Deadline& deadline);
  Outcome solve_masters(Millis target, const Deadline& deadline);
  std::optional<std::vector<int>> next_master(const Master& master, const Deadline& deadline);
  std::optional<Sequences> place_shares(const Master& master, const std::vector<int>& counts, Millis target,
                                        const Deadline& deadline);
  Millis area_of(const Master& master, const std::vector<int>& counts) const;
  void add_cut(const Master& master, Share share, const std::vector<Millis>& free, Millis target,
               const Deadline& deadline);
  static std::vector<Literal> literals_of(const Master& master, const Share& share);
  std::vector<FitItem> shrink(std::vector<FitItem> items, const std::vector<Millis>& free, Millis target,
                              const Deadline& deadline) const;
  void take_away(std::vector<FitItem>& items, const std::vector<Millis>& free, Millis target,
                 const Deadline& deadline) const;
  void shorten(std::vector<FitItem>& items, const std::vector<Millis>& free, Millis target,
               const Deadline& deadline) const;
  Millis next_shorter(const FitItem& item) const;
  std::vector<Cut> all_cuts() const;

  Search& search_;
  MasterSolver masters_;
  std::vector<Cut> cuts_;
  std::vector<Cut> guesses_;  ///< the oracle gave up on these: no proof while they are in use
  const char* method_ = "";
  std::int64_t enumeration_work_;
  std::int64_t oracle_work_ = 100000;
  int most_masters_ = 20;  ///< CBC's, per target and turn
  bool refused_ = false;   ///< by the last master
  bool optimal_ = false;   ///< the last master's counts are proven to be of least device time
};

}  // namespace saturn
