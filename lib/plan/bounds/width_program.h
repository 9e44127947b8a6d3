// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "plan/model/search.h"

namespace saturn {

/// Refutes makespans by the ways in which gangs can share a node (formulation in width_program.cpp): two
/// gangs of five never run side by side on eight devices. Quick at any size. Needs a regular instance; does
/// not own it.
class WidthProgram {
 public:
  explicit WidthProgram(const Instance& instance);

  /// Whether it is proven that no plan ends by the target.
  bool refutes(Millis target, const Deadline& deadline);

 private:
  struct Row {  ///< what may not exceed 0
    std::vector<double> prices;
    double demand = 0;  ///< coefficient of the demand's value
    double rate = 0;    ///< coefficient of the group's rate
    int group = -1;
  };
  size_t price_index(int group, int devices) const;
  std::optional<std::vector<double>> solve_program(const Deadline& deadline) const;
  Row demand_row(const std::vector<double>& prices, Millis target) const;
  std::vector<Row> broken_splits(const std::vector<double>& prices, const std::vector<double>& rates) const;

  const Instance& instance_;
  std::vector<int> sizes_;       ///< devices per node, by group
  std::vector<size_t> offsets_;  ///< of each group's prices, one per width
  std::vector<Millis> room_;     ///< per group: sum over its nodes of the time until the target
  std::vector<Row> rows_;
};

}  // namespace saturn
