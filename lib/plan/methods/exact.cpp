// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/exact.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "plan/methods/enumerate.h"

namespace saturn {
namespace {

/// Making a cut stronger must not cost more than finding it did.
constexpr std::int64_t kShrinkWork = 3000;
constexpr double kMilpTolerance = 1e-6;

/// The conditions under which a node's share contains the items, each by one of its width and of its length
/// or longer: counts add up from the longest down.
std::vector<Literal> literals_of(std::vector<FitItem> items) {
  std::sort(items.begin(), items.end(), [](const FitItem& a, const FitItem& b) {
    return a.devices != b.devices ? a.devices < b.devices : a.duration > b.duration;
  });
  std::vector<Literal> literals;
  for (const FitItem& item : items) {
    if (item.count == 0) continue;
    int count = item.count;
    if (!literals.empty() && literals.back().devices == item.devices) {
      count += literals.back().count;
      if (literals.back().duration == item.duration) literals.pop_back();
    }
    literals.push_back({item.devices, item.duration, count});
  }
  return literals;
}

std::vector<FitItem> joined(std::vector<FitItem> items, const std::vector<FitItem>& others) {
  items.insert(items.end(), others.begin(), others.end());
  return items;
}

/// When the devices become free once the gangs that stay have theirs.
std::vector<Millis> free_after(const std::vector<Millis>& free, const std::vector<FitItem>& staying) {
  Timeline timeline(free);
  for (const FitItem& item : staying)
    for (int gang = 0; gang < item.count; ++gang) timeline.place(item.devices, item.duration);
  return timeline.free();
}

}  // namespace

Exact::Share Exact::share_of(const Master& master, const std::vector<int>& counts, size_t place) const {
  Share share;
  for (size_t c = 0; c < master.columns.size(); ++c) {
    const MasterColumn& column = master.columns[c];
    if (static_cast<size_t>(column.place) != place || counts[c] == 0) continue;
    (column.shape.stays() ? share.staying : share.items)
        .push_back({column.shape.devices, column.shape.duration, counts[c]});
    (column.shape.stays() ? share.staying_columns : share.columns).push_back(static_cast<int>(c));
  }
  return share;
}

/// The conditions under which a node's share contains this one, its gangs that stay among those that do.
std::vector<Literal> Exact::literals_of(const Master& master, const Share& share) {
  std::vector<Literal> literals = saturn::literals_of(joined(share.items, share.staying));
  for (size_t s = 0; s < share.staying.size(); ++s) {
    const FitItem& item = share.staying[s];
    const MasterColumn& column = master.columns[static_cast<size_t>(share.staying_columns[s])];
    literals.push_back({item.devices, item.duration, item.count, column.task_class});
  }
  return literals;
}

/// The next shorter duration that some class has at the item's width; 0 when there is none.
Millis Exact::next_shorter(const FitItem& item) const {
  Millis best = 0;
  for (const TaskClass& task_class : search_.instance().classes)
    for (const std::vector<Option>& options :
         search_.instance().tasks[static_cast<size_t>(task_class.members.front())].options)
      for (const Option& option : options)
        if (option.devices == item.devices && option.duration < item.duration)
          best = std::max(best, option.duration);
  return best;
}

void Exact::take_away(std::vector<FitItem>& items, const std::vector<Millis>& free, Millis target,
                      const Deadline& deadline) const {
  for (FitItem& item : items) {
    while (item.count > 0) {
      --item.count;
      if (fit_on_node(items, free, target, kShrinkWork, deadline).fit == Fit::kDoesNotFit) continue;
      ++item.count;
      break;
    }
  }
  std::erase_if(items, [](const FitItem& item) { return item.count == 0; });
}

void Exact::shorten(std::vector<FitItem>& items, const std::vector<Millis>& free, Millis target,
                    const Deadline& deadline) const {
  for (FitItem& item : items) {
    while (!deadline.passed()) {
      const Millis shorter = next_shorter(item);
      if (shorter == 0) break;
      const Millis before = std::exchange(item.duration, shorter);
      if (fit_on_node(items, free, target, kShrinkWork, deadline).fit == Fit::kDoesNotFit) continue;
      item.duration = before;
      break;
    }
  }
}

/// A smaller set of shorter gangs that does not fit either: its cut excludes more.
std::vector<FitItem> Exact::shrink(std::vector<FitItem> items, const std::vector<Millis>& free, Millis target,
                                   const Deadline& deadline) const {
  std::sort(items.begin(), items.end(), [](const FitItem& a, const FitItem& b) {
    return a.devices * a.duration < b.devices * b.duration;
  });
  take_away(items, free, target, deadline);
  shorten(items, free, target, deadline);
  return items;
}

/// That some gangs stay is made part of the cut only where it matters.
void Exact::add_cut(const Master& master, Share share, const std::vector<Millis>& free, Millis target,
                    const Deadline& deadline) {
  const std::vector<FitItem> all = joined(share.items, share.staying);
  const bool anywhere =
      share.staying.empty() || fit_on_node(all, free, target, oracle_work_, deadline).fit == Fit::kDoesNotFit;
  if (anywhere) {
    cuts_.push_back({saturn::literals_of(shrink(all, free, target, deadline)), free});
    return;
  }
  share.items = shrink(share.items, free_after(free, share.staying), target, deadline);
  cuts_.push_back({literals_of(master, share), free});
}

/// Asks for every place; adds a cut for each refusal. The plan, when all fit.
std::optional<Sequences> Exact::place_shares(const Master& master, const std::vector<int>& counts,
                                             Millis target, const Deadline& deadline) {
  const Instance& instance = search_.instance();
  std::vector<size_t> used(instance.classes.size(), 0);
  Sequences sequences(instance.nodes.size());
  bool all_fit = true;
  for (size_t p = 0; p < master.places.size(); ++p) {
    const Share share = share_of(master, counts, p);
    const std::vector<Millis>& free = master.places[p].free;
    const FitResult result =
        fit_on_node(share.items, free_after(free, share.staying), target, oracle_work_, deadline);
    all_fit &= result.fit == Fit::kFits;
    if (result.fit == Fit::kDoesNotFit) add_cut(master, share, free, target, deadline);
    if (result.fit == Fit::kUnknown) guesses_.push_back({literals_of(master, share), free});
    std::vector<int> order;  // columns
    for (size_t s = 0; s < share.staying.size(); ++s)
      order.insert(order.end(), static_cast<size_t>(share.staying[s].count), share.staying_columns[s]);
    for (const int item : result.order) order.push_back(share.columns[static_cast<size_t>(item)]);
    for (const int at : order) {
      const MasterColumn& column = master.columns[static_cast<size_t>(at)];
      const auto c = static_cast<size_t>(column.task_class);
      const int task = instance.classes[c].members[used[c]++];
      const int node = master.places[p].nodes.front();
      sequences[static_cast<size_t>(node)].push_back(
          {task, instance.options(task, node)[static_cast<size_t>(column.option)]});
    }
  }
  if (!all_fit) return std::nullopt;
  return sequences;
}

Millis Exact::area_of(const Master& master, const std::vector<int>& counts) const {
  Millis area = 0;
  for (size_t c = 0; c < counts.size(); ++c) area += counts[c] * master.columns[c].shape.area();
  return area;
}

std::vector<Cut> Exact::all_cuts() const {
  std::vector<Cut> cuts = cuts_;
  cuts.insert(cuts.end(), guesses_.begin(), guesses_.end());
  return cuts;
}

Exact::Outcome Exact::enumerate(Millis target, const Deadline& deadline) {
  method_ = "exact (Benders, enumeration)";
  const Master master = make_master(search_.instance(), target, false, {});
  Enumeration enumeration(search_.instance(), master, target, cuts_);
  const Enumeration::End end =
      enumeration.run(enumeration_work_, deadline, [&](const std::vector<int>& counts) {
        const std::optional<Sequences> plan = place_shares(master, counts, target, deadline);
        if (plan) search_.offer(*plan, method_);
        return !plan;
      });
  if (end == Enumeration::End::kStopped) return Outcome::kImproved;
  if (end == Enumeration::End::kExhausted && guesses_.empty()) return Outcome::kRefused;
  return Outcome::kOpen;
}

/// The counts per master column; empty when the master was refused or not solved.
std::optional<std::vector<int>> Exact::next_master(const Master& master, const Deadline& deadline) {
  const MilpResult solution = masters_.solve(master, false, deadline);
  refused_ = masters_.refutes(solution, search_.makespan(), deadline);
  optimal_ = solution.status == MilpStatus::kOptimal;
  if (solution.status == MilpStatus::kInfeasible || solution.status == MilpStatus::kUnknown)
    return std::nullopt;
  std::vector<int> counts;
  for (const MasterColumn& column : master.columns)
    counts.push_back(static_cast<int>(std::lround(solution.values[static_cast<size_t>(column.column)])));
  return counts;
}

Exact::Outcome Exact::solve_masters(Millis target, const Deadline& deadline) {
  method_ = "exact (Benders, CBC)";
  for (int asked = 0; asked < most_masters_ && !deadline.passed(); ++asked) {
    const Master master = make_master(search_.instance(), target, false, all_cuts());
    const std::optional<std::vector<int>> counts = next_master(master, deadline);
    if (!counts) return refused_ && guesses_.empty() ? Outcome::kRefused : Outcome::kOpen;
    const std::optional<Sequences> plan = place_shares(master, *counts, target, deadline);
    if (!plan) continue;
    search_.offer(*plan, method_);
    return Outcome::kImproved;
  }
  return Outcome::kOpen;
}

Exact::LeastArea Exact::least_area(Millis limit, const Deadline& deadline) {
  LeastArea result;
  guesses_.clear();
  for (int asked = 0; asked < most_masters_ && !deadline.passed(); ++asked) {
    const Master master = make_master(search_.instance(), limit, false, all_cuts());
    const std::optional<std::vector<int>> counts = next_master(master, deadline);
    if (!counts) break;
    const Millis area = area_of(master, *counts);
    // CBC cannot tell apart objectives that differ by less.
    if (optimal_ && guesses_.empty())
      result.bound =
          std::max(result.bound, area - static_cast<Millis>(kMilpTolerance * static_cast<double>(area)));
    std::optional<Sequences> plan = place_shares(master, *counts, limit, deadline);
    if (!plan) continue;
    result.plan = std::move(plan);
    break;
  }
  oracle_work_ *= 4;
  most_masters_ *= 2;
  return result;
}

void Exact::run(const Deadline& deadline) {
  bool enumerable = true;
  Outcome outcome = Outcome::kImproved;
  while (outcome == Outcome::kImproved && !search_.done() && !deadline.passed()) {
    const Millis target = search_.makespan() - search_.unit();
    guesses_.clear();
    outcome = enumerable ? enumerate(target, deadline) : Outcome::kOpen;
    if (outcome == Outcome::kOpen) {
      enumerable = false;
      outcome = solve_masters(target, deadline);
    }
    if (outcome == Outcome::kRefused) search_.raise_bound(target + 1, method_);
  }
  enumeration_work_ *= 8;
  oracle_work_ *= 4;
  most_masters_ *= 2;
}

}  // namespace saturn
