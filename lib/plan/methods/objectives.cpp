// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/objectives.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <optional>
#include <thread>

#include "plan/bounds/objective_bounds.h"
#include "plan/methods/exact.h"
#include "plan/methods/polish.h"

namespace saturn {
namespace {

constexpr std::int64_t kFirstMoves = 20000;
constexpr std::int64_t kMostMoves = 5000000;
constexpr std::array kPatiences{1.0, 0.5, 0.25, 2.0, 4.0, 0.0};

/// List scheduling for early ends: the tasks of least device time first, each where it ends earliest, as wide
/// as pays when so many tasks wait behind it (term (3) of completion_bound.cpp).
class EarlyScheduler {
 public:
  /// `patience`: what the waiting tasks count for; 0 = every task as fast as can be. `staying`: what runs
  /// already stays; otherwise it does so only where it must.
  EarlyScheduler(const Instance& instance, double patience, bool staying)
      : instance_(instance), patience_(patience), staying_(staying) {
    for (const InstanceNode& node : instance.nodes) {
      timelines_.emplace_back(node.free);
      devices_ += static_cast<double>(node.free.size());
    }
  }

  Sequences run() {
    std::vector<std::pair<Millis, int>> order;
    for (size_t t = 0; t < instance_.tasks.size(); ++t)
      order.emplace_back(least_area(instance_.tasks[t]), static_cast<int>(t));
    std::sort(order.begin(), order.end());
    Sequences sequences(instance_.nodes.size());
    std::erase_if(order, [&](const auto& entry) { return stays(entry.second, sequences); });
    for (size_t k = 0; k < order.size(); ++k) place(order[k].second, order.size() - k, sequences);
    return sequences;
  }

 private:
  static Millis least_area(const InstanceTask& task) {
    Millis least = std::numeric_limits<Millis>::max();
    for (const std::vector<Option>& options : task.options)
      for (const Option& option : options) least = std::min(least, option.area());
    return least;
  }

  /// Whether the task is to stay; then it is placed.
  bool stays(int index, Sequences& sequences) {
    const Option* option = instance_.staying(index);
    if (option == nullptr || !(staying_ || instance_.must_stay(index))) return false;
    const auto home = static_cast<size_t>(instance_.tasks[static_cast<size_t>(index)].home);
    timelines_[home].place(option->devices, option->duration);
    sequences[home].push_back({index, *option});
    return true;
  }

  void place(int index, size_t from_end, Sequences& sequences) {
    const InstanceTask& task = instance_.tasks[static_cast<size_t>(index)];
    const double weight = patience_ * (static_cast<double>(from_end) - 0.5) / devices_;
    double best = std::numeric_limits<double>::infinity();
    size_t best_node = 0;
    Option best_option;
    for (size_t n = 0; n < instance_.nodes.size(); ++n) {
      if (!task.may_use(static_cast<int>(n), instance_.nodes[n].group)) continue;
      for (const Option& option : task.moves(instance_.nodes[n].group)) {
        const Millis end = timelines_[n].start(option.devices) + option.duration;
        const double cost = static_cast<double>(end) + weight * static_cast<double>(option.area());
        if (cost < best) best = cost, best_node = n, best_option = option;
      }
    }
    timelines_[best_node].place(best_option.devices, best_option.duration);
    sequences[best_node].push_back({index, best_option});
  }

  const Instance& instance_;
  double patience_;
  bool staying_;
  double devices_ = 0;
  std::vector<Timeline> timelines_;
};

/// Polishes round after round, on several threads when there are; each thread starts from the best so far.
class Rounds {
 public:
  Rounds(const Search& search, const Criterion& criterion, int threads)
      : search_(search), criterion_(criterion), threads_(threads) {}

  /// Returns a better plan, or the same.
  Sequences next(const Sequences& best, const Deadline& deadline) {
    std::vector<Sequences> found(static_cast<size_t>(threads_));
    std::vector<std::thread> others;
    const auto work = [&](size_t number) {
      const PolishOptions options{search_.seed(), round_ + static_cast<int>(number), moves_};
      found[number] = polish(search_.instance(), best, criterion_, options, deadline);
    };
    for (size_t number = 1; number < found.size(); ++number) others.emplace_back(work, number);
    work(0);
    for (std::thread& other : others) other.join();
    round_ += threads_;
    moves_ = std::min(kMostMoves, moves_ + moves_ / 5);
    return *std::min_element(found.begin(), found.end(), [&](const Sequences& a, const Sequences& b) {
      return criterion_.better(score_of(search_.instance(), a), score_of(search_.instance(), b));
    });
  }

 private:
  const Search& search_;
  Criterion criterion_;
  int threads_;
  int round_ = 0;
  std::int64_t moves_ = kFirstMoves;
};

bool close_enough(double value, double bound, double gap) {
  return value - bound <= gap * value + 1e-6;
}

/// Every plan's device time is a multiple of it.
Millis area_unit(const Instance& instance) {
  Millis unit = 0;
  for (const Placement& placement : instance.placed)
    unit = std::gcd(unit, placement.duration * static_cast<Millis>(placement.devices.size()));
  for (const InstanceTask& task : instance.tasks)
    for (const std::vector<Option>& options : task.options)
      for (const Option& option : options) unit = std::gcd(unit, option.area());
  return std::max<Millis>(1, unit);
}

/// The bound of an instance with islands is that of the same without.
template <class Bound>
double bound_of(const Instance& instance, const Bound& bound) {
  return static_cast<double>(instance.regular ? bound(instance) : bound(relaxed(instance)));
}

}  // namespace

ObjectiveResult least_completions_plan(const Search& search, const ObjectiveOptions& options,
                                       const Deadline& deadline) {
  const Instance& instance = search.instance();
  const Criterion criterion{Criterion::First::kCompletions};
  ObjectiveResult result;
  result.bound = bound_of(instance, least_completions);
  result.bound_method = "squashed area";
  result.method = "list scheduling";
  Score best;
  const auto offer = [&](Sequences sequences, const std::string& method) {
    const Score score = score_of(instance, sequences);
    if (!result.sequences.empty() && !criterion.better(score, best)) return;
    best = score;
    result.sequences = std::move(sequences);
    result.method = method;
    if (options.report) options.report(best.completions, result);
  };
  if (search.has_plan()) offer(search.best(), search.method());
  for (const double patience : kPatiences)
    for (const bool staying : {true, false})
      if ((staying || instance.running) && (result.sequences.empty() || !deadline.passed()))
        offer(EarlyScheduler(instance, patience, staying).run(), "list scheduling");
  if (instance.tasks.empty()) return result;
  Rounds rounds(search, criterion, options.threads);
  while (!deadline.passed() && !close_enough(best.completions, result.bound, options.gap))
    offer(rounds.next(result.sequences, deadline), "annealing");
  return result;
}

ObjectiveResult least_device_time_plan(Search& search, Millis limit, const ObjectiveOptions& options,
                                       const Deadline& deadline) {
  const Instance& instance = search.instance();
  const Criterion criterion{Criterion::First::kArea, limit};
  const Millis unit = area_unit(instance);
  ObjectiveResult result{search.best(), search.method(), 0, "least areas"};
  result.bound = bound_of(instance, [&](const Instance& it) { return least_device_time(it, limit); });
  Score best = score_of(instance, result.sequences);
  const auto tell = [&] {
    if (options.report) options.report(static_cast<double>(best.area), result);
  };
  tell();
  const auto offer = [&](Sequences sequences, const std::string& method) {
    const Score score = score_of(instance, sequences);
    if (!criterion.better(score, best)) return;
    best = score;
    result.sequences = std::move(sequences);
    result.method = method;
    tell();
  };
  const auto done = [&] {
    return deadline.passed() || close_enough(static_cast<double>(best.area), result.bound, options.gap);
  };
  if (instance.tasks.empty()) return result;
  offer(descend(instance, result.sequences, criterion, deadline), "descent");
  Rounds rounds(search, criterion, options.threads);
  Exact exact(search);
  bool exactly = instance.regular && instance.tasks.size() <= kLargestExact;
  Seconds slice{1};
  // A first round even when the bound is met: ends may be earlier.
  do {
    offer(rounds.next(result.sequences, deadline), "annealing");
    if (!exactly || done()) continue;
    Exact::LeastArea found = exact.least_area(limit, deadline.within(slice));
    slice *= 2;
    if (found.plan) offer(std::move(*found.plan), "exact (Benders, least device time)");
    // The master knows nothing of placed tasks.
    const Millis bound = (found.bound + fixed_device_time(instance) + unit - 1) / unit * unit;
    if (found.bound == 0 || static_cast<double>(bound) <= result.bound) continue;
    result.bound = static_cast<double>(bound);
    result.bound_method = "master (Benders, CBC)";
    tell();
  } while (!done());
  return result;
}

}  // namespace saturn
