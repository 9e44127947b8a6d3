// SPDX-License-Identifier: Apache-2.0
//
// Bound by widths. Let a gang of w devices on a node of group k cost pi_kw >= 0 for each unit of its time. At
// any time the gangs on a node are a split of its devices, so with V_k = max over splits of the sum of their
// prices, in a plan that ends by C
//
//   sum_c n_c min_{k,s} R_cks pi_k,g_s  <=  sum_k V_k sum_{nodes n of k} (C - free(n))
//
// where only options with R <= C count. A gang across q nodes is q gangs of g / q devices, in whatever
// groups: it costs q R pi_k,g/q in the cheapest of them at least. Prices that break this refute C. The best
// ones maximise the left side with the right one fixed: a concave function, of which each evaluation gives a
// tangent (Kelley's method); splits that are worth more than V_k are found by a knapsack over the devices and
// added when they are needed.
#include "plan/bounds/width_program.h"

#include <algorithm>
#include <limits>

#include "plan/milp/milp.h"
#include "plan/model/index.h"

namespace saturn {
namespace {

constexpr int kMostWidthRounds = 200;
constexpr double kWidthMargin = 1e-7;
constexpr double kUnbounded = std::numeric_limits<double>::infinity();

}  // namespace

WidthProgram::WidthProgram(const Instance& instance) : instance_(instance), sizes_(at(instance.groups), 0) {
  for (const InstanceNode& node : instance.nodes) sizes_[at(node.group)] = static_cast<int>(node.free.size());
  size_t offset = 0;
  for (const int size : sizes_) {
    offsets_.push_back(offset);
    offset += at(size);
  }
  offsets_.push_back(offset);
}

size_t WidthProgram::price_index(int group, int devices) const {
  return offsets_[at(group)] + at(devices) - 1;
}

/// The tangent of the demand's value at these prices, divided by the target to keep the numbers near 1.
WidthProgram::Row WidthProgram::demand_row(const std::vector<double>& prices, Millis target) const {
  Row row{std::vector<double>(offsets_.back(), 0), 1, 0, -1};
  for (const TaskClass& task_class : instance_.classes) {
    const InstanceTask& task = instance_.tasks[at(task_class.members.front())];
    double least = kUnbounded;
    size_t index = 0;
    double time = 0;
    for (size_t group = 0; group < task.options.size(); ++group)
      for (const Option& option : task.options[group]) {
        if (option.duration > target) continue;
        const size_t price = price_index(static_cast<int>(group), option.devices_per_node());
        const double share =
            static_cast<double>(option.nodes() * option.duration) / static_cast<double>(target);
        if (share * prices[price] >= least) continue;
        least = share * prices[price];
        index = price;
        time = share;
      }
    row.prices[index] -= time * static_cast<double>(task_class.members.size());
  }
  return row;
}

/// Per group the split of most value, when it is worth more than the group's rate.
std::vector<WidthProgram::Row> WidthProgram::broken_splits(const std::vector<double>& prices,
                                                           const std::vector<double>& rates) const {
  std::vector<Row> broken;
  for (size_t group = 0; group < sizes_.size(); ++group) {
    const int size = sizes_[group];
    std::vector<double> value(at(size) + 1, 0);
    std::vector<int> last(value.size(), 0);
    for (int used = 1; used <= size; ++used)
      for (int width = 1; width <= used; ++width) {
        const double with = value[at(used - width)] + prices[price_index(static_cast<int>(group), width)];
        if (with > value[at(used)]) value[at(used)] = with, last[at(used)] = width;
      }
    if (value.back() <= rates[group] * (1 + kWidthMargin) + 1e-12) continue;
    Row row{std::vector<double>(offsets_.back(), 0), 0, -1, static_cast<int>(group)};
    for (int used = size; last[at(used)] > 0; used -= last[at(used)])
      row.prices[price_index(static_cast<int>(group), last[at(used)])] += 1;
    broken.push_back(std::move(row));
  }
  return broken;
}

/// Prices, then the groups' rates, then the demand's value; empty when the solver failed.
std::optional<std::vector<double>> WidthProgram::solve_program(const Deadline& deadline) const {
  Milp program;
  for (size_t price = 0; price < offsets_.back(); ++price) program.add_column({0, kUnbounded, 0, false});
  double all = 0;
  for (const Millis room : room_) all += static_cast<double>(room);
  std::vector<std::pair<int, double>> rates;
  for (size_t group = 0; group < sizes_.size(); ++group)
    rates.emplace_back(program.add_column({0, kUnbounded, 0, false}),
                       static_cast<double>(room_[group]) / all);
  const int demand = program.add_column({0, kUnbounded, -1, false});
  program.add_equal(rates, 1);
  for (const Row& row : rows_) {
    std::vector<std::pair<int, double>> terms;
    for (size_t price = 0; price < row.prices.size(); ++price)
      if (row.prices[price] != 0) terms.emplace_back(static_cast<int>(price), row.prices[price]);
    if (row.group >= 0) terms.emplace_back(rates[at(row.group)].first, row.rate);
    if (row.demand != 0) terms.emplace_back(demand, row.demand);
    program.add_at_most(std::move(terms), 0);
  }
  return solve_linear(program, deadline);
}

bool WidthProgram::refutes(Millis target, const Deadline& deadline) {
  room_.assign(sizes_.size(), 0);
  double all = 0;
  for (const InstanceNode& node : instance_.nodes) {
    const Millis room = std::max<Millis>(0, target - *std::min_element(node.free.begin(), node.free.end()));
    room_[at(node.group)] += room;
    all += static_cast<double>(room);
  }
  all /= static_cast<double>(target);
  // Start from prices by width: the area bound.
  std::vector<double> area(offsets_.back());
  std::vector<double> rates(sizes_.size(), 1);
  for (size_t group = 0; group < sizes_.size(); ++group)
    for (int width = 1; width <= sizes_[group]; ++width)
      area[price_index(static_cast<int>(group), width)] = static_cast<double>(width) / sizes_[group];
  rows_ = broken_splits(area, std::vector<double>(sizes_.size(), 0));
  for (size_t group = 0; group < sizes_.size(); ++group)  // a single gang is a split, too
    for (int width = 1; width <= sizes_[group]; ++width) {
      Row row{std::vector<double>(offsets_.back(), 0), 0, -1, static_cast<int>(group)};
      row.prices[price_index(static_cast<int>(group), width)] = sizes_[group] / width;
      rows_.push_back(std::move(row));
    }
  rows_.push_back(demand_row(area, target));
  for (int round = 0; round < kMostWidthRounds && !deadline.passed(); ++round) {
    const std::optional<std::vector<double>> point = solve_program(deadline);
    if (!point || point->back() <= all * (1 + kWidthMargin)) return false;
    const auto split = point->begin() + static_cast<std::ptrdiff_t>(offsets_.back());
    const std::vector<double> prices(point->begin(), split);
    rates.assign(split, split + static_cast<std::ptrdiff_t>(sizes_.size()));
    std::vector<Row> broken = broken_splits(prices, rates);
    const Row tangent = demand_row(prices, target);
    double value = 0;
    for (size_t price = 0; price < prices.size(); ++price) value -= tangent.prices[price] * prices[price];
    if (broken.empty() && value > all * (1 + kWidthMargin)) return true;
    if (broken.empty() && value >= point->back() * (1 - kWidthMargin)) return false;
    rows_.insert(rows_.end(), broken.begin(), broken.end());
    rows_.push_back(tangent);
  }
  return false;
}

}  // namespace saturn
