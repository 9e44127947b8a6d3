// SPDX-License-Identifier: Apache-2.0
#include "plan/across/front.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "plan/across/annealing.h"
#include "plan/model/index.h"
#include "plan/model/least_time.h"

namespace saturn {
namespace {

constexpr std::int64_t kMovesPerTask = 400;
constexpr std::int64_t kLeastMoves = 2000;
constexpr int kRounds = 3;
constexpr double kHottestFront = 0.03;  ///< of the cost
constexpr double kColdestFront = 1e-4;
constexpr Millis kNever = std::numeric_limits<Millis>::max() / 4;

/// A way to end behind the front: when at the earliest, and for how much device time.
struct End {
  Millis end;
  Millis area;
};

class FrontSearch {
 public:
  FrontSearch(const Problem& problem, const ListScheduling& scheduling, std::uint64_t seed)
      : scheduling_(scheduling), criterion_(criterion_of(problem.objective)), random_(seed) {
    for (const ProblemNode& node : problem.nodes)
      devices_ += static_cast<double>(node.free_at_seconds.size());
    for (const int task : scheduling.open()) {
      const std::vector<Way>& ways = scheduling.ways(task);
      const auto on_one = [](const Way& way) { return way.nodes == 1 && way.configuration != kStays; };
      bool any_across = false;
      for (size_t w = 0; w < ways.size(); ++w) any_across |= ways[w].nodes > 1;
      const bool can_be_on_one = std::any_of(ways.begin(), ways.end(), on_one);
      if (any_across || !can_be_on_one)
        movable_.push_back(task), optional_.push_back(can_be_on_one);
      else
        rest_.push_back(task);
    }
  }

  Turns run(const Deadline& deadline) {
    for (size_t i = 0; i < movable_.size(); ++i)
      if (!optional_[i]) best_.push_back({movable_[i], way_in_front(movable_[i]), -1});
    std::stable_sort(best_.begin(), best_.end(),
                     [&](const Turn& a, const Turn& b) { return way(a).duration > way(b).duration; });
    best_cost_ = cost_of(best_);
    const std::int64_t moves =
        std::max(kLeastMoves, kMovesPerTask * static_cast<std::int64_t>(movable_.size()));
    for (int round = 0; round < kRounds && !movable_.empty() && !deadline.passed(); ++round)
      walk(moves, deadline);
    return with_the_rest(best_);
  }

 private:
  const Way& way(const Turn& turn) const { return scheduling_.ways(turn.task)[at(turn.way)]; }
  size_t below(size_t count) { return static_cast<size_t>(random_() % count); }
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

  /// Of those in front, that of least area.
  int way_in_front(int task) const {
    const std::vector<Way>& ways = scheduling_.ways(task);
    int best = -1;
    for (size_t w = 0; w < ways.size(); ++w)
      if (is_in_front(ways[w]) && (best < 0 || ways[w].area() < ways[at(best)].area()))
        best = static_cast<int>(w);
    return best;
  }
  static bool is_in_front(const Way& way) { return way.nodes > 1 || way.configuration == kStays; }

  void walk(std::int64_t moves, const Deadline& deadline) {
    Turns current = best_;
    double cost = best_cost_;
    const double hottest = kHottestFront * cost;
    const auto work = static_cast<std::int64_t>(movable_.size() + rest_.size()) * 8;
    for (std::int64_t move = 0; move < moves && !deadline.passed(); ++move) {
      deadline.spend(work);
      Turns next = current;
      change(next);
      const double there = cost_of(next);
      const double heat = hottest * std::pow(kColdestFront / kHottestFront,
                                             static_cast<double>(move) / static_cast<double>(moves));
      if (there > cost && uniform() >= std::exp((cost - there) / heat)) continue;
      current = std::move(next);
      cost = there;
      if (cost >= best_cost_) continue;
      best_ = current;
      best_cost_ = cost;
    }
  }

  /// A task comes, goes, gets another way, or another turn.
  void change(Turns& turns) {
    if (turns.size() > 1 && below(3) == 0) {
      const size_t from = below(turns.size());
      const Turn turn = turns[from];
      turns.erase(turns.begin() + static_cast<std::ptrdiff_t>(from));
      turns.insert(turns.begin() + static_cast<std::ptrdiff_t>(below(turns.size() + 1)), turn);
      return;
    }
    const size_t chosen = below(movable_.size());
    const int task = movable_[chosen];
    const auto there =
        std::find_if(turns.begin(), turns.end(), [&](const Turn& turn) { return turn.task == task; });
    std::vector<int> ways;
    for (size_t w = 0; w < scheduling_.ways(task).size(); ++w)
      if (is_in_front(scheduling_.ways(task)[w])) ways.push_back(static_cast<int>(w));
    const int picked = ways[below(ways.size())];
    if (there == turns.end())
      turns.insert(turns.begin() + static_cast<std::ptrdiff_t>(below(turns.size() + 1)), {task, picked, -1});
    else if (optional_[chosen] && below(2) == 0)
      turns.erase(there);
    else
      there->way = picked;
  }

  double cost_of(const Turns& front) {
    const ListScheduling::Outcome outcome = scheduling_.outcome(front);
    free_ = scheduling_.free_after(front);
    ends_.clear();
    std::vector<bool> placed(scheduling_.task_count(), false);
    for (const Turn& turn : front) placed[at(turn.task)] = true;
    Millis least = outcome.score.finish;
    for (const std::vector<int>* tasks : {&rest_, &movable_})
      for (const int task : *tasks)
        if (!placed[at(task)]) least = std::max(least, add_ends(task));
    const Millis end = least_end(least);
    const double late = static_cast<double>(std::max<Millis>(0, end - criterion_.limit));
    return 10 * devices_ * late +
           static_cast<double>(outcome.score.area + areas_by(std::max(end, criterion_.limit)));
  }

  /// Returns when the task can end at the earliest.
  Millis add_ends(int task) {
    std::vector<End>& ends = ends_.emplace_back();
    Millis least = kNever;
    for (const Way& way : scheduling_.ways(task)) {
      if (is_in_front(way)) continue;
      Millis start = kNever;
      for (const int node : way.places) start = std::min(start, free_[at(node)][way.devices - 1]);
      ends.push_back({start + way.duration, way.area()});
      least = std::min(least, ends.back().end);
    }
    return least;
  }

  Millis areas_by(Millis target) const {
    Millis sum = 0;
    for (const std::vector<End>& ends : ends_) {
      Millis least = kNever;
      for (const End& it : ends)
        if (it.end <= target) least = std::min(least, it.area);
      sum += least;
    }
    return sum;
  }

  /// From then on the areas fit into the devices' time.
  Millis least_end(Millis low) const {
    const auto fits = [&](Millis target) {
      Millis room = 0;
      for (const std::vector<Millis>& node : free_)
        for (const Millis free : node) room += std::max<Millis>(0, target - free);
      return areas_by(target) <= room;
    };
    return least_time(low, fits);
  }

  /// The others behind, the longest first, each for as little device time as ends in time.
  Turns with_the_rest(Turns turns) {
    std::vector<bool> placed(scheduling_.task_count(), false);
    for (const Turn& turn : turns) placed[at(turn.task)] = true;
    (void)cost_of(turns);
    Millis least = scheduling_.outcome(turns).score.finish;
    for (const std::vector<End>& ends : ends_)
      least = std::max(least, std::min_element(ends.begin(), ends.end(), [](const End& a, const End& b) {
                                return a.end < b.end;
                              })->end);
    const Millis target = std::max(criterion_.limit, least_end(least));
    Turns rest;
    for (const std::vector<int>* tasks : {&rest_, &movable_})
      for (const int task : *tasks) {
        if (placed[at(task)]) continue;
        Turn turn{task, -1, -1};
        const std::vector<Way>& ways = scheduling_.ways(task);
        for (size_t w = 0; w < ways.size(); ++w) {
          if (is_in_front(ways[w])) continue;
          const bool first = turn.way < 0;
          const bool in_time = ways[w].duration <= target;
          if (first || (in_time && (way(turn).duration > target || ways[w].area() < way(turn).area())))
            turn.way = static_cast<int>(w);
        }
        rest.push_back(turn);
      }
    std::stable_sort(rest.begin(), rest.end(),
                     [&](const Turn& a, const Turn& b) { return way(a).duration > way(b).duration; });
    turns.insert(turns.end(), rest.begin(), rest.end());
    return turns;
  }

  const ListScheduling& scheduling_;
  Criterion criterion_;
  double devices_ = 0;
  std::vector<int> movable_;    ///< tasks that may be in front
  std::vector<bool> optional_;  ///< of each of these: it need not be
  std::vector<int> rest_;
  std::mt19937_64 random_;
  std::vector<std::vector<Millis>> free_;  ///< behind the front, per node, ascending
  std::vector<std::vector<End>> ends_;     ///< per task that is not in front
  Turns best_;
  double best_cost_ = 0;
};

}  // namespace

std::optional<Turns> across_in_front(const Problem& problem, const ListScheduling& scheduling,
                                     std::uint64_t seed, const Deadline& deadline) {
  if (problem.objective.kind == Objective::Kind::kMeanCompletion || scheduling.is_ordered() ||
      scheduling.open().empty())
    return std::nullopt;
  return FrontSearch(problem, scheduling, seed).run(deadline);
}

}  // namespace saturn
