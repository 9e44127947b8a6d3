// SPDX-License-Identifier: Apache-2.0
//
// Bound by lanes. A lane is one device's timeline up to the target C. Give each task of class c a value mu_c
// >= 0; a gang of g devices leaves mu_c / g on each of its lanes, so in a plan that ends by C
//
//   sum_c n_c mu_c <= sum_lanes V(lane),
//   V(lane) = max { sum_cs a_cs mu_c / g_s : sum_cs a_cs R_s <= C - free(lane), sum_s a_cs <= n_c, a integer
//   }
//
// because what runs on a lane is one of the knapsacks of the maximum, on however many nodes a gang's lanes
// are. Values that break this refute C. The best ones are the solution of a linear program with a row per
// knapsack; its rows are made as they are needed (Kelley's method, asked between the best point so far and
// the program's, which calms it). The area bound is the special case mu_c = least area / C. Run times are
// rounded down to slots of the knapsack's table, free time up: V is never too small.
#include "plan/bounds/lane_program.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plan/milp/milp.h"
#include "plan/model/index.h"

namespace saturn {
namespace {

constexpr Millis kMostSlots = 6000;
constexpr double kLaneMargin = 1e-7;
constexpr int kMostLaneRounds = 150;
constexpr double kToBest = 0.5;  ///< where the next question lies, from the program's point to the best one
constexpr size_t kNowhere = SIZE_MAX;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

bool LaneProgram::refutes(Millis target, const Deadline& deadline) {
  aim(target);
  if (best_ && best_->lane.size() == types_.size() && ask(*std::exchange(best_, std::nullopt), deadline))
    return true;
  for (int round = 0; round < kMostLaneRounds && !deadline.passed(); ++round) {
    const std::optional<Point> point = solve_program(deadline);
    if (!point || total(*point) <= lane_count_ * (1 + kLaneMargin)) return false;
    if (best_) {
      Point middle = *point;
      for (size_t c = 0; c < middle.worth.size(); ++c)
        middle.worth[c] = (1 - kToBest) * middle.worth[c] + kToBest * best_->worth[c];
      if (ask(middle, deadline)) return true;
      if (added_) continue;
    }
    if (ask(*point, deadline)) return true;
    if (!added_) return false;
  }
  return false;
}

Prices LaneProgram::prices() const {
  Prices prices;
  if (!best_ || best_values_.size() != types_.size()) return prices;
  prices.tasks = best_->worth;
  prices.devices.assign(at(instance_.groups), 0);
  std::vector<Millis> longest(prices.devices.size(), 0);
  for (size_t t = 0; t < types_.size(); ++t) {
    const size_t group = at(types_[t].group);
    if (types_[t].length <= longest[group]) continue;
    longest[group] = types_[t].length;
    prices.devices[group] = best_values_[t];
  }
  return prices;
}

void LaneProgram::aim(Millis target) {
  std::map<std::pair<int, Millis>, int> lanes;
  for (const InstanceNode& node : instance_.nodes)
    for (const Millis free : node.free)
      if (free < target) ++lanes[{node.group, free}];
  types_.clear();
  lane_count_ = 0;
  for (const auto& [key, count] : lanes) {
    types_.push_back({key.first, key.second, target - key.second, count});
    lane_count_ += count;
  }
  best_ratio_ = 0;
  for (Knapsack& knapsack : found_) fit_in(knapsack);
  knapsacks_ = found_;
  std::erase_if(knapsacks_, [](const Knapsack& knapsack) { return knapsack.type == kNowhere; });
  add_plain_knapsacks();
}

/// Finds the lane type that it was made for; nowhere when it is too long there.
void LaneProgram::fit_in(Knapsack& knapsack) const {
  knapsack.type = kNowhere;
  Millis length = 0;
  for (const auto& [item, count] : knapsack.items)
    length += count * options_of(item.first, knapsack.group)[at(item.second)].duration;
  for (size_t t = 0; t < types_.size(); ++t)
    if (types_[t].group == knapsack.group && types_[t].free == knapsack.free && length <= types_[t].length)
      knapsack.type = t;
}

/// As many of one option as fit, for every option: they keep the program bounded.
void LaneProgram::add_plain_knapsacks() {
  for (size_t t = 0; t < types_.size(); ++t)
    for (size_t c = 0; c < instance_.classes.size(); ++c) {
      const int task_class = static_cast<int>(c);
      const std::vector<Option>& options = options_of(task_class, types_[t].group);
      for (size_t o = 0; o < options.size(); ++o) {
        const Millis fit = types_[t].length / options[o].duration;
        const auto count = std::min<Millis>(fit, static_cast<Millis>(instance_.classes[c].members.size()));
        if (count == 0) continue;
        const std::pair item{task_class, static_cast<int>(o)};
        knapsacks_.push_back({t, types_[t].group, types_[t].free, {{item, static_cast<int>(count)}}});
      }
    }
}

const std::vector<Option>& LaneProgram::options_of(int task_class, int group) const {
  return instance_.tasks[at(instance_.classes[at(task_class)].members.front())].options[at(group)];
}

double LaneProgram::total(const Point& point) const {
  double sum = 0;
  for (size_t c = 0; c < point.worth.size(); ++c)
    sum += point.worth[c] * static_cast<double>(instance_.classes[c].members.size());
  return sum;
}

double LaneProgram::value_of(const Knapsack& knapsack, const std::vector<double>& worth) const {
  double sum = 0;
  for (const auto& [item, count] : knapsack.items)
    sum += count * worth[at(item.first)] / options_of(item.first, knapsack.group)[at(item.second)].devices;
  return sum;
}

/// Maximises the tasks' values so that no known knapsack is worth more than its lane; the lanes are worth 1
/// on average.
std::optional<LaneProgram::Point> LaneProgram::solve_program(const Deadline& deadline) const {
  Milp program;
  for (const TaskClass& task_class : instance_.classes)
    program.add_column({0, kInfinity, -static_cast<double>(task_class.members.size()), false});
  std::vector<std::pair<int, double>> lanes;
  for (const LaneType& type : types_)
    lanes.emplace_back(program.add_column({0, kInfinity, 0, false}), type.count);
  for (const Knapsack& knapsack : knapsacks_) {
    std::map<int, double> row;
    for (const auto& [item, count] : knapsack.items)
      row[item.first] +=
          static_cast<double>(count) / options_of(item.first, knapsack.group)[at(item.second)].devices;
    row[lanes[knapsack.type].first] = -1;
    program.add_at_most({row.begin(), row.end()}, 0);
  }
  program.add_equal(lanes, lane_count_);
  const std::optional<std::vector<double>> values = solve_linear(program, deadline);
  if (!values) return std::nullopt;
  const auto split = values->begin() + static_cast<std::ptrdiff_t>(instance_.classes.size());
  return Point{{values->begin(), split}, {split, values->end()}};
}

/// Whether these values refute the target; otherwise the best knapsacks for them become rows.
bool LaneProgram::ask(const Point& point, const Deadline& deadline) {
  added_ = false;
  double lanes = 0;
  std::vector<double> values;
  for (size_t t = 0; t < types_.size(); ++t) {
    const auto [knapsack, value] = best_knapsack(t, point.worth, deadline);
    lanes += value * types_[t].count;
    values.push_back(value);
    if (value_of(knapsack, point.worth) <= point.lane[t] * (1 + kLaneMargin)) continue;
    knapsacks_.push_back(knapsack);
    found_.push_back(knapsack);
    added_ = true;
  }
  const double ratio = total(point) / std::max(lanes, 1e-300);
  if (ratio > best_ratio_) best_ratio_ = ratio, best_ = point, best_values_ = values;
  return ratio > 1 + kLaneMargin;
}

/// Slots that the option takes up in a lane of that type, rounded down.
size_t LaneProgram::size_of(const Option& option, size_t type) const {
  const Millis length = types_[type].length;
  return static_cast<size_t>(option.duration * std::min(length, kMostSlots) / length);
}

/// One more task of the class may be in the lane: raises the best value for each number of slots.
LaneProgram::Stage LaneProgram::fill_stage(int task_class, size_t type, double worth,
                                           std::vector<double>& value) const {
  Stage stage{task_class, std::vector<std::uint8_t>(value.size(), 0)};
  const std::vector<Option>& options = options_of(task_class, types_[type].group);
  const std::vector<double> before = value;
  for (size_t o = 0; o < options.size(); ++o) {
    if (options[o].duration > types_[type].length) continue;
    const size_t size = size_of(options[o], type);
    const double gain = worth / options[o].devices;
    for (size_t slot = size; slot < value.size(); ++slot) {
      const double with = before[slot - size] + gain;
      if (with > value[slot]) value[slot] = with, stage.choice[slot] = static_cast<std::uint8_t>(o + 1);
    }
  }
  return stage;
}

/// The knapsack of most value, and an upper bound on the value of any.
std::pair<LaneProgram::Knapsack, double> LaneProgram::best_knapsack(size_t type,
                                                                    const std::vector<double>& worth,
                                                                    const Deadline& deadline) const {
  const Millis length = types_[type].length;
  std::vector<Stage> stages;
  std::vector<double> value(static_cast<size_t>(std::min(length, kMostSlots)) + 1, 0.0);
  for (size_t c = 0; c < instance_.classes.size(); ++c) {
    const std::vector<Option>& options = options_of(static_cast<int>(c), types_[type].group);
    if (options.empty() || worth[c] <= 0) continue;
    const Millis shortest =
        std::min_element(options.begin(), options.end(), [](const Option& a, const Option& b) {
          return a.duration < b.duration;
        })->duration;
    const Millis fit = length / shortest;
    const auto copies = std::min<Millis>(fit, static_cast<Millis>(instance_.classes[c].members.size()));
    for (Millis copy = 0; copy < copies; ++copy)
      stages.push_back(fill_stage(static_cast<int>(c), type, worth[c], value));
    deadline.spend(copies * static_cast<Millis>(options.size() * value.size()) / 16);
  }
  Knapsack knapsack{type, types_[type].group, types_[type].free, {}};
  size_t slot = value.size() - 1;
  for (size_t s = stages.size(); s-- > 0;) {
    const int choice = stages[s].choice[slot];
    if (choice == 0) continue;
    ++knapsack.items[{stages[s].task_class, choice - 1}];
    slot -= size_of(options_of(stages[s].task_class, knapsack.group)[at(choice - 1)], type);
  }
  return {std::move(knapsack), value.back()};
}

}  // namespace saturn
