// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/fit.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

namespace saturn {
namespace {

constexpr size_t kBeamWidth = 200;
constexpr std::int64_t kShortDive = 400;
/// Failed device states kept per set of remaining gangs.
constexpr size_t kMemory = 48;
constexpr std::int64_t kStateSteps = 40;  ///< about what looking at a state takes (deadline.h)

struct State {
  std::vector<int> left;     ///< per item: gangs not started yet
  std::vector<Millis> free;  ///< ascending; nothing starts before free[0]
  std::vector<int> order;
  Millis waste = 0;  ///< device time that stayed idle
};

class Fitter {
 public:
  Fitter(const std::vector<FitItem>& items, Millis limit, std::int64_t work, const Deadline& deadline)
      : items_(items), limit_(limit), work_(work), deadline_(deadline) {}

  FitResult run(std::vector<Millis> free) {
    std::sort(free.begin(), free.end());
    State root;
    root.free = std::move(free);
    for (const FitItem& item : items_) root.left.push_back(item.count);
    for (const FitItem& item : items_)
      if (item.count > 0 && item.devices > static_cast<int>(root.free.size())) return {Fit::kDoesNotFit, {}};
    if (finished(root)) return {Fit::kFits, {}};
    if (!advance(root)) return {Fit::kDoesNotFit, {}};
    // Most questions are settled by a short dive; what is remembered of it helps the long one.
    const std::int64_t work = std::exchange(work_, std::min(work_, kShortDive));
    Fit fit = dive(root);
    if (fit == Fit::kUnknown && work > kShortDive) {
      if (beam(root)) return {Fit::kFits, found_};
      work_ = work - kShortDive;
      fit = dive(root);
    }
    return {fit, fit == Fit::kFits ? found_ : std::vector<int>()};
  }

 private:
  static bool finished(const State& state) {
    return std::all_of(state.left.begin(), state.left.end(), [](int left) { return left == 0; });
  }
  Millis start(const State& state, size_t item) const {
    return state.free[static_cast<size_t>(items_[item].devices) - 1];
  }

  /// Raises the free times to the earliest next start; false when the rest cannot be done by the limit.
  bool advance(State& state) const {
    Millis next = kForever;
    for (size_t i = 0; i < items_.size(); ++i)
      if (state.left[i] > 0) next = std::min(next, start(state, i));
    if (next == kForever) return true;
    for (Millis& free : state.free) {
      if (free >= next) break;
      state.waste += next - free;
      free = next;
    }
    return enough_area(state) && enough_in_the_middle(state);
  }

  /// The work that must be done after each time t at which a device becomes free, every gang started as early
  /// as it could, fits into the devices' time between t and the limit.
  bool enough_area(const State& state) const {
    Millis previous = -1;
    for (const Millis time : state.free) {
      if (time == previous) continue;
      previous = time;
      Millis room = 0;
      for (const Millis free : state.free) room += std::max<Millis>(0, limit_ - std::max(free, time));
      for (size_t i = 0; i < items_.size(); ++i) {
        if (state.left[i] == 0) continue;
        const Millis end = start(state, i) + items_[i].duration;
        if (end > limit_) return false;
        const Millis after = std::clamp<Millis>(end - time, 0, items_[i].duration);
        room -= after * items_[i].devices * state.left[i];
        if (room < 0) return false;
      }
    }
    return true;
  }

  /// At the last moment at which gang i may start, every gang that cannot be over nor still wait is running.
  bool enough_in_the_middle(const State& state) const {
    for (size_t i = 0; i < items_.size(); ++i) {
      if (state.left[i] == 0) continue;
      const Millis time = limit_ - items_[i].duration;
      auto room =
          static_cast<int>(state.free.end() - std::upper_bound(state.free.begin(), state.free.end(), time));
      room = static_cast<int>(state.free.size()) - room;
      for (size_t j = 0; j < items_.size(); ++j) {
        if (state.left[j] == 0) continue;
        const bool must_have_started = limit_ - items_[j].duration <= time;
        if (must_have_started && start(state, j) + items_[j].duration > time)
          room -= items_[j].devices * state.left[j];
      }
      if (room < 0) return false;
    }
    return true;
  }

  /// The items that may start next. One that starts when another could already have run to its end on idle
  /// devices need not be tried: moving that other one to the front costs nothing.
  std::vector<size_t> candidates(const State& state) const {
    Millis first_end = kForever;
    for (size_t i = 0; i < items_.size(); ++i)
      if (state.left[i] > 0) first_end = std::min(first_end, start(state, i) + items_[i].duration);
    std::vector<size_t> result;
    for (size_t i = 0; i < items_.size(); ++i)
      if (state.left[i] > 0 && start(state, i) < first_end) result.push_back(i);
    std::stable_sort(result.begin(), result.end(), [&](size_t a, size_t b) {
      if (start(state, a) != start(state, b)) return start(state, a) < start(state, b);
      return items_[a].duration > items_[b].duration;
    });
    return result;
  }

  /// Empty free times in the result: a dead end.
  State after(const State& state, size_t item) const {
    State next = state;
    const auto count = static_cast<size_t>(items_[item].devices);
    const Millis at = start(state, item);
    for (Millis& free : next.free) {
      if (free >= at) break;
      next.waste += at - free;
      free = at;
    }
    // The devices below `count` are all free at `at` now, and alike.
    const Millis end = at + items_[item].duration;
    std::fill(next.free.begin(), next.free.begin() + static_cast<std::ptrdiff_t>(count), end);
    std::sort(next.free.begin(), next.free.end());
    --next.left[item];
    next.order.push_back(static_cast<int>(item));
    if (end > limit_ || !advance(next)) next.free.clear();
    return next;
  }

  static std::string key(const State& state) {
    std::string text;
    for (const int left : state.left) text.append(reinterpret_cast<const char*>(&left), sizeof left);
    return text;
  }

  /// All partial schedules in step, the least wasteful kept.
  bool beam(const State& root) {
    std::vector<State> level{root};
    while (!level.empty()) {
      std::vector<State> next;
      for (const State& state : level) {
        if (finished(state)) {
          found_ = state.order;
          return true;
        }
        for (const size_t item : candidates(state)) {
          State child = after(state, item);
          if (!child.free.empty()) next.push_back(std::move(child));
        }
      }
      deadline_.spend(kStateSteps * static_cast<std::int64_t>(next.size()));
      const auto better = [](const State& a, const State& b) {
        if (a.waste != b.waste) return a.waste < b.waste;
        if (a.left != b.left) return a.left < b.left;
        return a.free < b.free;
      };
      std::sort(next.begin(), next.end(), better);
      const auto same = [](const State& a, const State& b) { return a.left == b.left && a.free == b.free; };
      next.erase(std::unique(next.begin(), next.end(), same), next.end());
      if (next.size() > kBeamWidth) next.resize(kBeamWidth);
      level = std::move(next);
      if (deadline_.passed()) return false;
    }
    return false;
  }

  /// Failed before with these gangs left and devices that were free no later.
  bool known_to_fail(const std::string& gangs, const State& state) const {
    const auto found = failed_.find(gangs);
    if (found == failed_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(), [&](const std::vector<Millis>& free) {
      return std::equal(free.begin(), free.end(), state.free.begin(),
                        [](Millis a, Millis b) { return a <= b; });
    });
  }

  Fit dive(const State& state) {
    if (finished(state)) {
      found_ = state.order;
      return Fit::kFits;
    }
    const std::string gangs = key(state);
    if (known_to_fail(gangs, state)) return Fit::kDoesNotFit;
    deadline_.spend(kStateSteps);
    if (--work_ < 0 || (work_ % 256 == 0 && deadline_.passed())) {
      work_ = 0;
      return Fit::kUnknown;
    }
    for (const size_t item : candidates(state)) {
      const State next = after(state, item);
      if (next.free.empty()) continue;
      const Fit fit = dive(next);
      if (fit != Fit::kDoesNotFit) return fit;
    }
    std::vector<std::vector<Millis>>& memory = failed_[gangs];
    if (memory.size() >= kMemory) memory.erase(memory.begin());
    memory.push_back(state.free);
    return Fit::kDoesNotFit;
  }

  const std::vector<FitItem>& items_;
  Millis limit_;
  std::int64_t work_;
  const Deadline& deadline_;
  std::vector<int> found_;
  std::unordered_map<std::string, std::vector<std::vector<Millis>>> failed_;
};

}  // namespace

FitResult fit_on_node(const std::vector<FitItem>& items, const std::vector<Millis>& free, Millis limit,
                      std::int64_t work, const Deadline& deadline) {
  return Fitter(items, limit, work, deadline).run(free);
}

}  // namespace saturn
