// SPDX-License-Identifier: Apache-2.0
//
// Index sets: c classes (n_c tasks each), s options of a class (g_s devices for R_s), p places (N_p alike
// nodes of G_p devices). Variables: integer y_csp, the tasks of class c that run as s on p. Times are divided
// by C.
//
//   minimise sum g_s R_s y_csp / C                                    (the least device time)
//   (1) sum_{s,p} y_csp = n_c                           for every c    every task runs once
//   (2) sum_{c,s} g_s R_s y_csp <= N_p sum_d (C - free_d)  for every p  the work fits into the devices' time
//   (3) for windows [a, C - a], a = f C, L = C - 2a, and the ways q to split a node into gangs (maximal
//   multisets
//       of widths, #_w(q) gangs of width w), x_qpa = share of the window during which a node of p is split as
//       q:
//         sum_{g_s = w} y_csp max(0, min(R_s - a, L)) / L <= sum_q #_w(q) x_qpa   for every width w
//         sum_q x_qpa <= N_p
//       wherever a task of length R lies within [0, C], that much of it lies in the window
//   (4) sum_{R_s > C/2} g_s y_csp <= N_p G_p                           all of those run at C/2 at once
//   (5) work of place p >= work of place p + 1 when the two are alike  either may be called the fuller one
//   (6) cuts: sum_l u_l <= |literals| - 1, with binary u_l that must be 1 when literal l holds:
//         sum_{g_s = g_l, R_s >= R_l} y_csp - (Z_l - 1) <= (M_l - Z_l + 1) u_l, M_l = what the sum can reach
//       the gangs of the literals do not fit on the node together (fit.h has proven it)
//       A literal of gangs that stay counts those of its class alone: sum y_csp over the option to stay.
#include "plan/milp/master.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <tuple>

namespace saturn {
namespace {

constexpr std::array kWindowFractions{0.0, 0.1, 1.0 / 6, 0.25, 1.0 / 3, 0.4};
constexpr size_t kMostSplits = 250;
/// One hard master must not use up the whole time.
constexpr Seconds kLongestMaster{2};
constexpr Seconds kAnyTime{120};
constexpr int kMostMasterNodes = 2000;
constexpr std::int64_t kMasterSteps = 20000000;  ///< about what a master takes
constexpr double kSlack = 1e-9;                  ///< of rounding in the coefficients
using Terms = std::vector<std::pair<int, double>>;

/// Maximal multisets of the widths with a sum of at most `size`; counts in the order of `widths`. Empty when
/// there are too many.
std::vector<std::vector<int>> splits(const std::vector<int>& widths, int size) {
  std::vector<std::vector<int>> result;
  std::vector<int> counts(widths.size(), 0);
  const std::function<void(size_t, int)> extend = [&](size_t at, int left) {
    if (result.size() > kMostSplits) return;
    if (at == widths.size()) {
      if (left < widths.front()) result.push_back(counts);
      return;
    }
    for (int count = left / widths[at]; count >= 0; --count) {
      counts[at] = count;
      extend(at + 1, left - count * widths[at]);
    }
    counts[at] = 0;
  };
  if (!widths.empty()) extend(0, size);
  if (result.size() > kMostSplits) result.clear();
  return result;
}

class MasterBuilder {
 public:
  MasterBuilder(const Instance& instance, Millis target, bool together)
      : instance_(instance), target_(target), scale_(1 / static_cast<double>(target)) {
    find_places(together);
  }

  Master build(const std::vector<Cut>& cuts) {
    add_columns();
    if (master_.impossible) return std::move(master_);
    for (size_t place = 0; place < master_.places.size(); ++place) add_place_rows(static_cast<int>(place));
    add_order_rows();
    for (const Cut& cut : cuts)
      for (size_t place = 0; place < master_.places.size(); ++place) add_cut(cut, static_cast<int>(place));
    return std::move(master_);
  }

 private:
  void find_places(bool together) {
    std::set<int> tied;  // nodes that some task is pinned to, or runs on, are unlike all others
    for (const InstanceTask& task : instance_.tasks)
      for (const int node : {task.node, task.home})
        if (node >= 0) tied.insert(node);
    std::map<std::tuple<int, std::vector<Millis>, int>, size_t> known;
    for (size_t n = 0; n < instance_.nodes.size(); ++n) {
      const int node = static_cast<int>(n);
      std::vector<Millis> free = instance_.nodes[n].free;
      std::sort(free.begin(), free.end());
      const std::tuple key{instance_.nodes[n].group, free, tied.contains(node) ? node : -1};
      const auto found = known.find(key);
      if (found != known.end() && together) {
        master_.places[found->second].nodes.push_back(node);
        continue;
      }
      if (found != known.end()) master_.alike.emplace_back(found->second, master_.places.size());
      known[key] = master_.places.size();
      master_.places.push_back({{node}, instance_.nodes[n].group, std::move(free)});
    }
  }

  void add_columns() {
    of_place_.resize(master_.places.size());
    for (size_t c = 0; c < instance_.classes.size(); ++c) {
      const TaskClass& task_class = instance_.classes[c];
      const InstanceTask& task = instance_.tasks[static_cast<size_t>(task_class.members.front())];
      const auto count = static_cast<double>(task_class.members.size());
      Terms all;
      for (size_t p = 0; p < master_.places.size(); ++p) {
        const MasterPlace& place = master_.places[p];
        if (!task.may_use(place.nodes.front(), place.group)) continue;
        const std::span<const Option> options = task.options_on(place.nodes.front(), place.group);
        for (size_t s = 0; s < options.size(); ++s) {
          if (place.free[static_cast<size_t>(options[s].devices) - 1] + options[s].duration > target_)
            continue;
          const double area = static_cast<double>(options[s].area()) * scale_;
          const int column = master_.milp.add_column({0, count, area, true});
          of_place_[p].push_back(master_.columns.size());
          master_.columns.push_back(
              {static_cast<int>(c), static_cast<int>(s), static_cast<int>(p), column, options[s]});
          all.emplace_back(column, 1.0);
        }
      }
      if (all.empty()) master_.impossible = true;
      master_.milp.add_equal(std::move(all), count);  // (1)
    }
  }

  void add_place_rows(int index) {
    const MasterPlace& place = master_.places[static_cast<size_t>(index)];
    const auto nodes = static_cast<double>(place.nodes.size());
    double room = 0;
    for (const Millis free : place.free)
      room += static_cast<double>(std::max<Millis>(0, target_ - free)) * scale_;
    Terms work, middle;
    std::set<int> widths;
    for (const size_t at : of_place_[static_cast<size_t>(index)]) {
      const MasterColumn& y = master_.columns[at];
      work.emplace_back(y.column, static_cast<double>(y.shape.area()) * scale_);
      if (2 * y.shape.duration > target_) middle.emplace_back(y.column, y.shape.devices);
      widths.insert(y.shape.devices);
    }
    if (work.empty()) return;
    work_.resize(master_.places.size());
    work_[static_cast<size_t>(index)] = work;
    master_.milp.add_at_most(std::move(work), nodes * room * (1 + kSlack));  // (2)
    if (!middle.empty())
      master_.milp.add_at_most(std::move(middle), nodes * static_cast<double>(place.free.size()));  // (4)
    const std::vector<int> sorted(widths.begin(), widths.end());
    const std::vector<std::vector<int>> ways = splits(sorted, static_cast<int>(place.free.size()));
    if (ways.empty()) return;
    for (const double fraction : kWindowFractions) add_window(index, fraction, sorted, ways);  // (3)
  }

  void add_window(int index, double fraction, const std::vector<int>& widths,
                  const std::vector<std::vector<int>>& ways) {
    const auto nodes = static_cast<double>(master_.places[static_cast<size_t>(index)].nodes.size());
    const double length = 1 - 2 * fraction;
    Terms total;
    for (size_t q = 0; q < ways.size(); ++q)
      total.emplace_back(master_.milp.add_column({0, nodes, 0, false}), 1.0);
    for (size_t w = 0; w < widths.size(); ++w) {
      Terms row;
      for (const size_t at : of_place_[static_cast<size_t>(index)]) {
        const MasterColumn& y = master_.columns[at];
        if (y.shape.devices != widths[w]) continue;
        const double inside = std::min(static_cast<double>(y.shape.duration) * scale_ - fraction, length);
        if (inside > 0) row.emplace_back(y.column, inside / length);
      }
      if (row.empty()) continue;
      for (size_t q = 0; q < ways.size(); ++q)
        if (ways[q][w] > 0) row.emplace_back(total[q].first, -ways[q][w]);
      master_.milp.add_at_most(std::move(row), kSlack);
    }
    master_.milp.add_at_most(std::move(total), nodes * (1 + kSlack));
  }

  void add_order_rows() {
    work_.resize(master_.places.size());
    for (const auto& [fuller, other] : master_.alike) {  // (5)
      Terms row = work_[fuller];
      for (const auto& [column, area] : work_[other]) row.emplace_back(column, -area);
      if (!row.empty()) master_.milp.add_at_least(std::move(row), -kSlack);
    }
  }

  struct Sum {
    Terms terms;
    double most = 0;  ///< what it can reach
  };
  Sum sum_of(const Literal& literal, int place) const {
    Sum sum;
    int last_class = -1;
    for (const size_t at : of_place_[static_cast<size_t>(place)]) {
      const MasterColumn& y = master_.columns[at];
      if (!counts_for(literal, y)) continue;
      sum.terms.emplace_back(y.column, 1.0);
      // Columns are in order of class, so each class counts once.
      if (y.task_class != last_class) sum.most += master_.milp.columns[static_cast<size_t>(y.column)].upper;
      last_class = y.task_class;
    }
    return sum;
  }

  void add_cut(const Cut& cut, int place) {  // (6)
    if (!cut_applies(cut, master_.places[static_cast<size_t>(place)])) return;
    std::vector<Sum> sums;
    for (const Literal& literal : cut.literals) {
      sums.push_back(sum_of(literal, place));
      if (sums.back().most < literal.count) return;  // never holds here
    }
    if (sums.size() == 1) {
      master_.milp.add_at_most(sums.front().terms, cut.literals.front().count - 1);
      return;
    }
    Terms row;
    for (size_t l = 0; l < sums.size(); ++l)
      row.emplace_back(indicator(cut.literals[l], place, sums[l]), 1.0);
    master_.milp.add_at_most(std::move(row), static_cast<double>(sums.size()) - 1);
  }

  int indicator(const Literal& literal, int place, const Sum& sum) {
    const std::tuple key{place, literal.devices, literal.duration, literal.count, literal.staying_class};
    const auto found = indicators_.find(key);
    if (found != indicators_.end()) return found->second;
    const int u = master_.milp.add_column({0, 1, 0, true});
    Terms row = sum.terms;
    row.emplace_back(u, -(sum.most - literal.count + 1));
    master_.milp.add_at_most(std::move(row), literal.count - 1);
    indicators_.emplace(key, u);
    return u;
  }

  const Instance& instance_;
  Millis target_;
  double scale_;
  Master master_;
  std::vector<std::vector<size_t>> of_place_;  ///< indices into Master::columns
  std::vector<Terms> work_;                    ///< per place: its device time
  std::map<std::tuple<int, int, Millis, int, int>, int> indicators_;
};

}  // namespace

bool cut_applies(const Cut& cut, const MasterPlace& place) {
  if (place.nodes.size() > 1 || place.free.size() > cut.free.size()) return false;
  return std::equal(place.free.begin(), place.free.end(), cut.free.begin(),
                    [](Millis here, Millis there) { return here >= there; });
}

bool counts_for(const Literal& literal, const MasterColumn& column) {
  if (literal.staying_class >= 0) return column.task_class == literal.staying_class && column.shape.stays();
  return column.shape.devices == literal.devices && column.shape.duration >= literal.duration;
}

Master make_master(const Instance& instance, Millis target, bool together, const std::vector<Cut>& cuts) {
  return MasterBuilder(instance, target, together).build(cuts);
}

MilpResult MasterSolver::solve(const Master& master, bool first_solution, const Deadline& deadline) const {
  deadline.spend(kMasterSteps);
  if (master.impossible) return {MilpStatus::kInfeasible, {}, 0};
  MilpOptions options;
  options.time_limit = std::min(deadline.left(), deadline.counts_work() ? kAnyTime : kLongestMaster);
  options.first_solution = first_solution;
  options.cancel = deadline.cancel();
  options.use = deadline.solver_use();
  if (deadline.counts_work()) options.most_nodes = kMostMasterNodes;
  return solver_(master.milp, options);
}

bool MasterSolver::refutes(const MilpResult& result, Millis makespan, const Deadline& deadline) {
  if (result.status != MilpStatus::kInfeasible || caught_) return false;
  if (asked_ == makespan) return true;
  asked_ = makespan;
  caught_ =
      solve(make_master(instance_, makespan, true, {}), true, deadline).status == MilpStatus::kInfeasible;
  return !caught_;
}

}  // namespace saturn
