// SPDX-License-Identifier: Apache-2.0
//
// Let task j run as an option of width g, duration h and area a = g h on M devices in all, and end at C_j.
// Bounds on sum C_j, of which the largest is taken:
//
//   (1) sum_j min (free_g + h)                                     no task ends before it could alone
//   (height) (2) sum_k W(a_1 + ... + a_k), areas a_j least, in ascending order, W(A) = the time by which the
//   devices
//       have been free for A in all: the k tasks that end first have used at least so much (squashed area;
//       Turek et al., Scheduling parallelizable tasks to minimize average response time, SPAA 1994)
//   (3) sum over positions p = 1..n from the end, one task each, of (p - 1/2) a / M + h / 2, least over all
//   ways
//       to give positions and options to tasks: an assignment problem
//       A task is half done, on average over its run, at C_j - h_j / 2. Let the devices, squashed into one of
//       speed M, run the same work: the sum over the tasks of that mean time is least when they run one by
//       one, the smallest first, and then is sum (p - 1/2) a / M. (The same idea: Goemans, Queyranne, Schulz,
//       Skutella, Wang, Single machine scheduling with release dates, SIAM J. Discrete Math. 15, 2002.)
//       Nothing runs before the first device is free: all times count from then.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "plan/bounds/objective_bounds.h"

namespace saturn {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr size_t kLargestAssignment = 400;
/// Of rounding: sums of thousands of doubles.
constexpr double kSlack = 1e-9;

struct Shape {
  double area;
  double duration;

  auto operator<=>(const Shape&) const = default;
};

/// What a class can run as, wherever it may.
struct Ways {
  std::vector<Shape> shapes;
  double least_area = kNever;
  double least_duration = kNever;
  double least_end = kNever;
};

Ways ways_of(const Instance& instance, const InstanceTask& task) {
  Ways ways;
  for (size_t n = 0; n < instance.nodes.size(); ++n) {
    const InstanceNode& node = instance.nodes[n];
    if (!task.may_use(static_cast<int>(n), node.group)) continue;
    std::vector<Millis> free = node.free;
    std::sort(free.begin(), free.end());
    for (const Option& option : task.options_on(static_cast<int>(n), node.group)) {
      const Millis start = option.nodes() > 1 ? instance.start_across(task, option)
                                              : free[static_cast<size_t>(option.devices) - 1];
      const Millis end = start + option.duration;
      ways.shapes.push_back({static_cast<double>(option.area()), static_cast<double>(option.duration)});
      ways.least_area = std::min(ways.least_area, ways.shapes.back().area);
      ways.least_duration = std::min(ways.least_duration, ways.shapes.back().duration);
      ways.least_end = std::min(ways.least_end, static_cast<double>(end));
    }
  }
  std::sort(ways.shapes.begin(), ways.shapes.end());
  ways.shapes.erase(std::unique(ways.shapes.begin(), ways.shapes.end()), ways.shapes.end());
  return ways;
}

/// The least sum of an assignment of rows to columns (Hungarian method with potentials, O(n^3)). `cost` of
/// row and column.
template <class Cost>
double least_assignment(size_t size, const Cost& cost) {
  // Row and column 0 are none; columns' rows and potentials grow row by row.
  std::vector<double> row_price(size + 1, 0), column_price(size + 1, 0);
  std::vector<size_t> row_of(size + 1, 0), from(size + 1, 0);
  for (size_t row = 1; row <= size; ++row) {
    std::vector<double> distance(size + 1, kNever);
    std::vector<bool> used(size + 1, false);
    size_t column = 0;
    row_of[0] = row;
    while (row_of[column] != 0) {
      used[column] = true;
      const size_t at = row_of[column];
      size_t next = 0;
      double least = kNever;
      for (size_t c = 1; c <= size; ++c) {
        if (used[c]) continue;
        const double reduced = cost(at - 1, c - 1) - row_price[at] - column_price[c];
        if (reduced < distance[c]) distance[c] = reduced, from[c] = column;
        if (distance[c] < least) least = distance[c], next = c;
      }
      for (size_t c = 0; c <= size; ++c) {
        if (used[c])
          row_price[row_of[c]] += least, column_price[c] -= least;
        else
          distance[c] -= least;
      }
      column = next;
    }
    for (; column != 0; column = from[column]) row_of[column] = row_of[from[column]];
  }
  double sum = 0;
  for (size_t column = 1; column <= size; ++column) sum += cost(row_of[column] - 1, column - 1);
  return sum;
}

class CompletionBound {
 public:
  explicit CompletionBound(const Instance& instance) {
    for (const TaskClass& task_class : instance.classes) {
      const Ways ways = ways_of(instance, instance.tasks[static_cast<size_t>(task_class.members.front())]);
      tasks_.insert(tasks_.end(), task_class.members.size(), ways);
    }
    std::stable_sort(tasks_.begin(), tasks_.end(),
                     [](const Ways& a, const Ways& b) { return a.least_area < b.least_area; });
    for (const InstanceNode& node : instance.nodes)
      for (const Millis free : node.free) free_.push_back(static_cast<double>(free));
    std::sort(free_.begin(), free_.end());
  }

  double value() const {
    if (tasks_.empty()) return 0;
    const double mean = tasks_.size() <= kLargestAssignment ? by_assignment() : by_least_areas();
    return std::max({by_height(), by_squashed_area(), mean * (1 - kSlack)});
  }

 private:
  double by_height() const {  // (1)
    double sum = 0;
    for (const Ways& task : tasks_) sum += task.least_end;
    return sum;
  }

  double by_squashed_area() const {  // (2)
    double sum = 0, area = 0;
    size_t devices = 1;  // those free at the end of the prefix
    double done = 0;     // device time until free_[devices - 1]
    for (const Ways& task : tasks_) {
      area += task.least_area;
      while (devices < free_.size()) {
        const double more = static_cast<double>(devices) * (free_[devices] - free_[devices - 1]);
        if (done + more > area) break;
        done += more;
        ++devices;
      }
      sum += free_[devices - 1] + (area - done) / static_cast<double>(devices);
    }
    return sum * (1 - kSlack);
  }

  double at_position(const Shape& shape, size_t from_end) const {
    return (static_cast<double>(from_end) - 0.5) * shape.area / static_cast<double>(free_.size()) +
           shape.duration / 2;
  }

  double from_first_device() const { return free_.front() * static_cast<double>(tasks_.size()); }

  double by_assignment() const {  // (3)
    const size_t count = tasks_.size();
    const auto cost = [&](size_t task, size_t position) {
      double least = kNever;
      for (const Shape& shape : tasks_[task].shapes)
        least = std::min(least, at_position(shape, position + 1));
      return least;
    };
    std::vector<double> table(count * count);
    for (size_t task = 0; task < count; ++task)
      for (size_t position = 0; position < count; ++position)
        table[task * count + position] = cost(task, position);
    return from_first_device() + least_assignment(count, [&](size_t task, size_t position) {
             return table[task * count + position];
           });
  }

  /// (3) with least area and least duration, whether or not one option has both.
  double by_least_areas() const {
    double sum = from_first_device();
    for (size_t k = 0; k < tasks_.size(); ++k)
      sum += at_position({tasks_[k].least_area, tasks_[k].least_duration}, tasks_.size() - k);
    return sum;
  }

  std::vector<Ways> tasks_;   ///< one per task, least areas ascending
  std::vector<double> free_;  ///< of all devices, ascending
};

}  // namespace

double least_completions(const Instance& instance) {
  double fixed = 0;
  for (const Placement& placement : instance.fixed()) fixed += static_cast<double>(placement.end());
  return fixed + std::max(0.0, CompletionBound(instance).value());
}

}  // namespace saturn
