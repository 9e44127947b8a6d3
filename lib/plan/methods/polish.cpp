// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/polish.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "plan/methods/walk.h"

namespace saturn {
namespace {

constexpr int kMostSweeps = 4;

Score score_of_node(const NodeFinish& finish) {
  return {finish.finish, finish.area, finish.completions};
}

class Descent {
 public:
  Descent(const Instance& instance, const Criterion& criterion, const Deadline& deadline)
      : instance_(instance), criterion_(criterion), deadline_(deadline) {}

  void run(int node, std::vector<Slot>& sequence) {
    node_ = node;
    best_ = score(sequence);
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      bool better = false;
      for (size_t at = 0; at < sequence.size(); ++at) {
        if (deadline_.passed()) return;
        better |= reconfigure(sequence, at);
        if (at > 0) better |= swap(sequence, at);
      }
      if (!better) return;
    }
  }

 private:
  Score score(const std::vector<Slot>& sequence) const {
    deadline_.spend(static_cast<std::int64_t>(sequence.size()));
    return score_of_node(finish_of(instance_, node_, sequence));
  }

  /// Takes `changed` in place of the sequence when that is better.
  bool take(std::vector<Slot>& sequence, std::vector<Slot> changed) {
    const Score now = score(changed);
    if (!criterion_.better(now, best_)) return false;
    best_ = now;
    sequence = std::move(changed);
    return true;
  }

  /// Another option where the task stands, or at the front: long tasks end in time when they begin early.
  bool reconfigure(std::vector<Slot>& sequence, size_t at) {
    bool better = false;
    for (const Option& option : instance_.options(sequence[at].task, node_)) {
      if (option.same_shape(sequence[at].option)) continue;
      if (criterion_.first == Criterion::First::kArea && option.area() > sequence[at].option.area()) continue;
      std::vector<Slot> changed = sequence;
      changed[at].option = option;
      if (take(sequence, changed)) {
        better = true;
        continue;
      }
      const auto middle = changed.begin() + static_cast<std::ptrdiff_t>(at);
      std::rotate(changed.begin(), middle, middle + 1);
      if (take(sequence, std::move(changed))) return true;  // another task stands here now
    }
    return better;
  }

  bool swap(std::vector<Slot>& sequence, size_t at) {
    std::vector<Slot> changed = sequence;
    std::swap(changed[at], changed[at - 1]);
    return take(sequence, std::move(changed));
  }

  const Instance& instance_;
  const Criterion& criterion_;
  const Deadline& deadline_;
  int node_ = 0;
  Score best_;
};

/// Anneals by one weighting after another; keeps the best plan by the criterion.
class Polisher {
 public:
  Polisher(const Instance& instance, Sequences start, const Criterion& criterion,
           const PolishOptions& options)
      : instance_(instance),
        criterion_(criterion),
        options_(options),
        best_(std::move(start)),
        best_score_(score_of(instance, best_)) {
    for (const InstanceNode& node : instance.nodes) widest_ = std::max(widest_, node.free.size());
  }

  Sequences run(const Deadline& deadline) {
    const bool area_first = criterion_.first == Criterion::First::kArea;
    // In the second stage what counts first weighs so much that it is not given up.
    const double scale =
        std::max(1.0, best_score_.completions) / std::max(1.0, static_cast<double>(best_score_.area));
    NodeCost first = weights(area_first ? 1 : 0, area_first ? 0 : 1);
    NodeCost second = weights(area_first ? kFirm * scale : 1, area_first ? 1 : kFirm / scale);
    stage(first, options_.moves * 2 / 3, deadline);
    stage(second, options_.moves / 3, deadline);
    return std::move(best_);
  }

 private:
  static constexpr double kFirm = 30;

  NodeCost weights(double area, double completions) const {
    // A millisecond too late must cost more than the device time it saves; by how much differs.
    static constexpr std::array kLateness{2.0, 8.0, 32.0};
    const double lateness = kLateness[static_cast<size_t>(options_.round) % kLateness.size()];
    return {.limit = criterion_.limit,
            .over = lateness * static_cast<double>(widest_) * std::max(area, completions),
            .free = 0,
            .area = area,
            .completions = completions};
  }

  void stage(const NodeCost& weights, std::int64_t moves, const Deadline& deadline) {
    Walk walk(instance_, best_,
              options_.seed * 1000003 + static_cast<std::uint64_t>(options_.round) * 31 + 5);
    walk.set_cost(weights);
    double least = walk.cost();
    const double hot = heat() * least / static_cast<double>(std::max<size_t>(1, instance_.tasks.size()));
    double temperature = hot;
    for (std::int64_t i = 0; i < moves; ++i) {
      if (i % 64 == 0) {
        deadline.spend(walk.take_steps() + 64);  // a move that is none is work, too
        if (deadline.passed()) return;
        temperature = hot * std::pow(kCold, static_cast<double>(i) / static_cast<double>(moves));
      }
      if (!walk.step(walk.below(walk.sequences().size()), temperature)) continue;
      const Millis finish = walk.finishes()[walk.last_node()].finish;
      if (walk.cost() >= least || finish > std::max(criterion_.limit, best_score_.finish)) continue;
      least = walk.cost();
      keep(walk.sequences());
    }
  }

  double heat() const {
    static constexpr std::array kHeat{0.1, 0.4, 0.02};
    return kHeat[static_cast<size_t>(options_.round / 3) % kHeat.size()];
  }

  void keep(const Sequences& sequences) {
    const Score score = score_of(instance_, sequences);
    if (!criterion_.better(score, best_score_)) return;
    best_ = sequences;
    best_score_ = score;
  }

  static constexpr double kCold = 2e-3;

  const Instance& instance_;
  const Criterion& criterion_;
  const PolishOptions& options_;
  Sequences best_;
  Score best_score_;
  size_t widest_ = 1;
};

}  // namespace

Sequences descend(const Instance& instance, Sequences sequences, const Criterion& criterion,
                  const Deadline& deadline) {
  Descent descent(instance, criterion, deadline);
  for (size_t n = 0; n < sequences.size() && !deadline.passed(); ++n)
    descent.run(static_cast<int>(n), sequences[n]);
  return sequences;
}

Sequences polish(const Instance& instance, Sequences sequences, const Criterion& criterion,
                 const PolishOptions& options, const Deadline& deadline) {
  if (instance.tasks.empty()) return sequences;
  return Polisher(instance, std::move(sequences), criterion, options).run(deadline);
}

}  // namespace saturn
