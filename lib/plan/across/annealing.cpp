// SPDX-License-Identifier: Apache-2.0
#include "plan/across/annealing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "plan/model/index.h"

namespace saturn {
namespace {

constexpr std::int64_t kFirstMoves = 2000;
constexpr std::int64_t kMostMoves = 1000000;
constexpr double kHottest = 0.05;  ///< of the cost
constexpr double kColdest = 1e-5;
/// What the devices' mean time of getting free counts for beside the makespan: a plan with room left for
/// others is nearer to one that ends earlier.
constexpr double kRoom = 0.05;

/// What the walk makes small; the criterion says which of the plans it comes by is the best.
class Cost {
 public:
  Cost(const Problem& problem, const Criterion& criterion)
      : completions_(criterion.first == Criterion::First::kCompletions), limit_(criterion.limit) {
    for (const ProblemNode& node : problem.nodes)
      devices_ += static_cast<double>(node.free_at_seconds.size());
  }

  double of(const ListScheduling::Outcome& outcome) const {
    const Score& score = outcome.score;
    if (completions_) return score.completions;
    const double late = static_cast<double>(std::max<Millis>(0, score.finish - limit_));
    const double room = kRoom * outcome.free_sum / devices_;
    // Without a limit all of the makespan is late, and devices' time for its own sake counts for nothing.
    return limit_ > 0 ? 10 * devices_ * late + static_cast<double>(score.area) : late + room;
  }

 private:
  bool completions_;
  Millis limit_;
  double devices_ = 0;
};

class Annealer {
 public:
  Annealer(const Problem& problem, const ListScheduling& scheduling, std::uint64_t seed)
      : scheduling_(scheduling),
        criterion_(criterion_of(problem.objective)),
        cost_(problem, criterion_),
        nodes_(static_cast<int>(problem.nodes.size())),
        random_(seed) {}

  Turns run(Turns turns, const Deadline& deadline) {
    best_ = std::move(turns);
    best_score_ = scheduling_.outcome(best_).score;
    if (best_.empty()) return best_;
    for (std::int64_t moves = kFirstMoves; !deadline.passed(); moves = std::min(kMostMoves, moves * 3 / 2))
      round(moves, deadline);
    return std::move(best_);
  }

 private:
  size_t below(size_t count) { return static_cast<size_t>(random_() % count); }
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

  void round(std::int64_t moves, const Deadline& deadline) {
    Turns current = best_;
    double cost = cost_.of(scheduling_.outcome(current));
    const double hottest = kHottest * cost;
    const auto work = static_cast<std::int64_t>(current.size()) * nodes_;
    for (std::int64_t move = 0; move < moves && !deadline.passed(); ++move) {
      deadline.spend(work);
      const double heat =
          hottest * std::pow(kColdest / kHottest, static_cast<double>(move) / static_cast<double>(moves));
      Turns next = current;
      change(next);
      const ListScheduling::Outcome outcome = scheduling_.outcome(next);
      const double there = cost_.of(outcome);
      if (there > cost && uniform() >= std::exp((cost - there) / heat)) continue;
      current = std::move(next);
      cost = there;
      if (!criterion_.better(outcome.score, best_score_)) continue;
      best_ = current;
      best_score_ = outcome.score;
    }
  }

  void change(Turns& turns) {
    const size_t from = below(turns.size());
    switch (below(4)) {
      case 0: {  // another turn
        const Turn turn = turns[from];
        turns.erase(turns.begin() + static_cast<std::ptrdiff_t>(from));
        turns.insert(turns.begin() + static_cast<std::ptrdiff_t>(below(turns.size() + 1)), turn);
        break;
      }
      case 1:
        std::swap(turns[from], turns[below(turns.size())]);
        break;
      case 2: {  // another way, wherever it ends first
        turns[from].way = static_cast<int>(below(scheduling_.ways(turns[from].task).size()));
        turns[from].node = -1;
        break;
      }
      default: {
        const std::vector<int>& places = scheduling_.ways(turns[from].task)[at(turns[from].way)].places;
        turns[from].node = below(2) == 0 ? -1 : places[below(places.size())];
      }
    }
  }

  const ListScheduling& scheduling_;
  Criterion criterion_;
  Cost cost_;
  int nodes_;
  std::mt19937_64 random_;
  Turns best_;
  Score best_score_;
};

}  // namespace

Criterion criterion_of(const Objective& objective) {
  if (objective.kind == Objective::Kind::kMeanCompletion) return {Criterion::First::kCompletions};
  const bool limited = objective.kind == Objective::Kind::kDeadline;
  return {Criterion::First::kArea,
          limited ? static_cast<Millis>(objective.deadline_seconds * 1000 + 1e-3) : 0};
}

Turns first_turns(const Problem& problem, const ListScheduling& scheduling) {
  const Criterion criterion = criterion_of(problem.objective);
  double devices = 0;
  for (const ProblemNode& node : problem.nodes) devices += static_cast<double>(node.free_at_seconds.size());
  Turns best;
  Score best_score;
  // What a task's own duration counts for, beside what its device time takes from all.
  for (const double haste : {0.0, 0.1, 0.5, 2.0, 1e6}) {
    Turns turns;
    for (const int task : scheduling.open()) {
      Turn turn{task, 0, -1};
      double least = std::numeric_limits<double>::infinity();
      const std::vector<Way>& ways = scheduling.ways(task);
      for (size_t w = 0; w < ways.size(); ++w) {
        const double value =
            static_cast<double>(ways[w].area()) / devices + haste * static_cast<double>(ways[w].duration);
        if (value < least) least = value, turn.way = static_cast<int>(w);
      }
      turns.push_back(turn);
    }
    const auto way_of = [&](const Turn& turn) -> const Way& {
      return scheduling.ways(turn.task)[at(turn.way)];
    };
    const bool early = criterion.first == Criterion::First::kCompletions;
    std::stable_sort(turns.begin(), turns.end(), [&](const Turn& a, const Turn& b) {
      return early ? way_of(a).area() < way_of(b).area() : way_of(a).duration > way_of(b).duration;
    });
    for (const bool across_first : {false, true}) {
      if (across_first)
        std::stable_partition(turns.begin(), turns.end(),
                              [&](const Turn& turn) { return way_of(turn).nodes > 1; });
      const Score score = scheduling.outcome(turns).score;
      if (!best.empty() && !criterion.better(score, best_score)) continue;
      best = turns;
      best_score = score;
    }
  }
  return best;
}

Turns anneal_turns(const Problem& problem, const ListScheduling& scheduling, Turns turns, std::uint64_t seed,
                   const Deadline& deadline) {
  return Annealer(problem, scheduling, seed).run(std::move(turns), deadline);
}

}  // namespace saturn
