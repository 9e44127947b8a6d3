// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "plan/milp/master.h"
#include "plan/model/deadline.h"

namespace saturn {

/// The master's other solver: a depth-first walk over the tasks, class by class, that keeps the rows which
/// can be checked on a part of a solution: (2), (4), (5), (6), and the windows (3) by device time alone. For
/// a dozen tasks it is faster than CBC; it learns from cuts while it walks.
class Enumeration {
 public:
  enum class End {
    kExhausted,  ///< every solution has been visited or cut off
    kStopped,    ///< the visitor said so
    kOutOfWork
  };
  /// Gets the counts per master column; may add cuts. Returns whether to go on.
  using Visit = std::function<bool(const std::vector<int>& counts)>;

  /// Owns nothing: `cuts` may grow during the walk.
  Enumeration(const Instance& instance, const Master& master, Millis target, const std::vector<Cut>& cuts);

  /// `work` limits the steps of the walk, which are taken from the deadline's work, too.
  End run(std::int64_t work, const Deadline& deadline, const Visit& visit);

 private:
  struct Row {  ///< sum coefficient[column] * count <= limit
    std::vector<std::pair<int, Millis>> terms;
    Millis limit = 0;
  };
  struct BoundCut {  ///< a cut on one place: per literal the columns that count
    std::vector<std::vector<int>> columns;
    std::vector<int> needed;
  };
  void add_rows(Millis target);
  void add_row(Row row);
  void take_cuts();
  bool keeps_cuts(size_t from) const;
  bool keeps_order() const;
  bool add(int column, int by);
  bool walk_class(size_t at);
  bool walk(size_t at, size_t from, int left);
  bool leaf();

  const Instance& instance_;
  const Master& master_;
  const std::vector<Cut>& cuts_;
  std::vector<size_t> classes_;            ///< in the order walked
  std::vector<std::vector<int>> columns_;  ///< per class, by area
  std::vector<Millis> least_;              ///< per position: least area of the classes from there
  std::vector<Row> rows_;
  std::vector<Millis> sums_;                                  ///< per row
  std::vector<std::vector<std::pair<int, Millis>>> in_rows_;  ///< per column: row and coefficient
  std::vector<BoundCut> bound_cuts_;
  size_t taken_ = 0;  ///< of cuts_
  std::vector<int> counts_;
  Millis area_ = 0;
  Millis room_ = 0;
  std::int64_t work_ = 0;
  std::int64_t steps_ = 0;
  const Deadline* deadline_ = nullptr;
  const Visit* visit_ = nullptr;
  End end_ = End::kExhausted;
};

}  // namespace saturn
