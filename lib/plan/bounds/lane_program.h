// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "plan/model/search.h"

namespace saturn {

/// Refutes makespans by what a single device can run until then (formulation in lane_program.cpp). Needs a
/// regular instance; does not own it. One owner, one thread.
class LaneProgram {
 public:
  explicit LaneProgram(const Instance& instance) : instance_(instance) {}

  /// Whether it is proven that no plan ends by the target. What one target taught helps with the next.
  bool refutes(Millis target, const Deadline& deadline);
  /// Of the values that came closest to refuting the last target, or did; empty when there are none.
  Prices prices() const;

 private:
  struct LaneType {  ///< lanes that are alike
    int group = 0;
    Millis free = 0;
    Millis length = 0;  ///< to the target
    int count = 0;
  };
  struct Knapsack {  ///< how often each (class, option) of a group is in a lane
    size_t type = 0;
    int group = 0;
    Millis free = 0;
    std::map<std::pair<int, int>, int> items;
  };
  struct Point {
    std::vector<double> worth;  ///< mu, per class
    std::vector<double> lane;   ///< V, per lane type
  };
  struct Stage {  ///< of filling a knapsack: at most one more task of a class
    int task_class = 0;
    std::vector<std::uint8_t> choice;  ///< per filled slots: option + 1, 0 = none
  };
  void aim(Millis target);
  void fit_in(Knapsack& knapsack) const;
  void add_plain_knapsacks();
  const std::vector<Option>& options_of(int task_class, int group) const;
  double total(const Point& point) const;
  double value_of(const Knapsack& knapsack, const std::vector<double>& worth) const;
  std::optional<Point> solve_program(const Deadline& deadline) const;
  bool ask(const Point& point, const Deadline& deadline);
  std::pair<Knapsack, double> best_knapsack(size_t type, const std::vector<double>& worth,
                                            const Deadline& deadline) const;
  Stage fill_stage(int task_class, size_t type, double worth, std::vector<double>& value) const;
  size_t size_of(const Option& option, size_t type) const;

  const Instance& instance_;
  std::vector<LaneType> types_;
  int lane_count_ = 0;
  std::vector<Knapsack> knapsacks_;  ///< rows of the program
  std::vector<Knapsack> found_;      ///< for any target so far
  std::optional<Point> best_;
  std::vector<double> best_values_;  ///< per lane type, of the best point
  double best_ratio_ = 0;
  bool added_ = false;  ///< the last question brought rows
};

}  // namespace saturn
