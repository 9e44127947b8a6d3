// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/fill.h"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <numeric>
#include <unordered_set>

namespace saturn {
namespace {

constexpr Millis kLevels = 128;
constexpr size_t kNone = SIZE_MAX;
/// Of a node's time, to tell which sums of run times exist.
constexpr Millis kSlots = 4096;

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// A partial schedule. Its devices' free times and its tasks per class lie in the beam's arrays.
struct Partial {
  size_t parent = kNone;
  int task_class = 0;
  int option = 0;
  int tasks = 0;
  Millis used = 0;  ///< sum of the free times: device time that is behind
  Millis waste = 0;
  std::uint64_t hash = 0;  ///< of free times and counts
};

/// How much of a lane's last stretch stays idle: the difference to the largest sum of run times that fits, of
/// a few tasks of each class at most. Run times are rounded down, so that it is rather too little than too
/// much.
class LaneRests {
 public:
  explicit LaneRests(const FillRequest& request)
      : limit_(request.limit),
        slots_(std::min(request.limit, kSlots)),
        rests_(static_cast<size_t>(slots_) + 1, 0) {
    const std::bitset<kSlots + 1> reached = sums(request);
    Millis last = 0;
    for (Millis slot = 0; slot <= slots_; ++slot) {
      if (reached[static_cast<size_t>(slot)]) last = slot;
      rests_[static_cast<size_t>(slot)] = (slot - last) * limit_ / slots_;
    }
  }

  Millis operator()(Millis free) const {
    return free >= limit_ ? 0 : rests_[static_cast<size_t>((limit_ - free) * slots_ / limit_)];
  }

 private:
  std::bitset<kSlots + 1> sums(const FillRequest& request) const {
    std::bitset<kSlots + 1> reached;
    reached.set(0);
    for (const FillClass& offered : request.classes)
      for (int copy = 0; copy < std::min(offered.count, kMostCopies); ++copy) {
        const std::bitset<kSlots + 1> before = reached;
        for (const Option& option : offered.options)
          if (option.duration <= limit_)
            reached |= before << static_cast<size_t>(option.duration * slots_ / limit_);
      }
    return reached;
  }

  static constexpr int kMostCopies = 4;
  Millis limit_;
  Millis slots_;
  std::vector<Millis> rests_;
};

class Beam {
 public:
  Beam(const FillRequest& request, size_t most)
      : request_(request),
        most_(most),
        rest_(request),
        devices_(request.free.size()),
        levels_(kLevels + 1),
        starts_(devices_ + 1),
        idle_(devices_ + 1),
        rests_(devices_ + 1),
        hashes_(devices_ + 1) {
    for (const FillClass& offered : request.classes) {
      class_hashes_.push_back(mix(class_hashes_.size() + 77));
      total_ += offered.count;
      must_ += offered.must ? offered.count : 0;
      options_ += static_cast<std::int64_t>(offered.options.size());
    }
  }

  std::vector<Filling> run(const Deadline& deadline) {
    add_root();
    for (size_t level = 0; level < levels_.size() && !found_all(); ++level) {
      if (deadline.passed()) break;
      expand_level(level);
      deadline.spend(steps_);
      steps_ = 0;
    }
    return std::move(fillings_);
  }

 private:
  struct Ranked {
    double rank;
    size_t partial;
    bool operator<(const Ranked& other) const { return rank < other.rank; }
  };
  struct Level {
    std::vector<Ranked> waiting;  ///< a heap, the worst first
    size_t expanded = 0;
  };
  struct Child {
    size_t parent;
    int task_class;
    int option;
    Millis start;
    Millis used;
    Millis waste;
    Millis rest;  ///< that will stay idle at the end (LaneRests)
  };

  bool found_all() const { return request_.all && !fillings_.empty(); }
  Millis* free_of(size_t partial) { return free_.data() + partial * devices_; }
  std::uint8_t* counts_of(size_t partial) { return counts_.data() + partial * request_.classes.size(); }

  void add_root() {
    std::vector<Millis> free = request_.free;
    std::sort(free.begin(), free.end());
    first_used_ = std::accumulate(free.begin(), free.end(), Millis{0});
    last_used_ = request_.limit * static_cast<Millis>(devices_);
    const size_t root = new_partial();
    std::copy(free.begin(), free.end(), free_of(root));
    partials_[root].used = first_used_;
    for (const Millis time : free) partials_[root].hash += mix(static_cast<std::uint64_t>(time));
    levels_[0].waiting.push_back({0, root});
  }

  size_t new_partial() {
    if (!spare_.empty()) {
      const size_t index = spare_.back();
      spare_.pop_back();
      std::memset(counts_of(index), 0, request_.classes.size());
      return index;
    }
    partials_.emplace_back();
    free_.resize(free_.size() + devices_);
    counts_.resize(counts_.size() + request_.classes.size());
    return partials_.size() - 1;
  }

  size_t level_of(Millis used) const {
    const Millis span = std::max<Millis>(1, last_used_ - first_used_);
    return static_cast<size_t>(std::clamp<Millis>((used - first_used_) * kLevels / span, 0, kLevels));
  }

  void expand_level(size_t index) {
    Level& level = levels_[index];
    std::vector<Ranked> turn;
    while (level.expanded < request_.width && !level.waiting.empty() && !found_all()) {
      turn.swap(level.waiting);
      std::sort(turn.begin(), turn.end());
      for (const Ranked& ranked : turn) {
        if (level.expanded++ >= request_.width || found_all()) return;
        expand(ranked.partial);
      }
      turn.clear();
    }
  }

  void expand(size_t index) {
    if (!request_.all) close(index);
    measure(index);
    const Partial partial = partials_[index];
    steps_ += options_;
    for (size_t c = 0; c < request_.classes.size(); ++c) {
      const FillClass& offered = request_.classes[c];
      if (counts_of(index)[c] >= offered.count) continue;
      for (size_t o = 0; o < offered.options.size(); ++o) {
        const Option& option = offered.options[o];
        const auto width = static_cast<size_t>(option.devices);
        if (width > devices_ || starts_[width] + option.duration > request_.limit) continue;
        const Millis used = idle_[width] + option.area();
        const Millis waste = partial.waste + used - offered.worth;
        if (waste > request_.most_waste) continue;
        const Millis rest =
            rests_[devices_] - rests_[width] + option.devices * rest_(starts_[width] + option.duration);
        if (waste + rest > request_.most_waste) continue;
        consider({index, static_cast<int>(c), static_cast<int>(o), starts_[width], partial.used + used, waste,
                  rest});
        if (found_all()) return;
      }
    }
  }

  /// Per width of a gang that may start next: when it can, what stays idle until then, the hash of what it
  /// replaces.
  void measure(size_t index) {
    const Millis* free = free_of(index);
    Millis sum = 0;
    std::uint64_t hash = 0;
    for (size_t width = 1; width <= devices_; ++width) {
      sum += free[width - 1];
      hash += mix(static_cast<std::uint64_t>(free[width - 1]));
      starts_[width] = free[width - 1];
      idle_[width] = static_cast<Millis>(width) * free[width - 1] - sum;
      hashes_[width] = hash;
      rests_[width] = rests_[width - 1] + rest_(free[width - 1]);
    }
  }

  double rank_of(const Child& child, int tasks, std::uint64_t hash) const {
    const double noise = request_.noise * static_cast<double>(mix(hash ^ request_.seed) >> 11) * 0x1.0p-53;
    const double waste = static_cast<double>(child.waste + child.rest) + request_.waste_per_task * tasks;
    return (waste + noise * static_cast<double>(request_.fair_waste)) * (1 + noise);
  }

  /// Of what the partial schedule is, whatever the order that led to it.
  std::uint64_t hash_of(const Child& child, const Option& option) const {
    const auto width = static_cast<size_t>(option.devices);
    const auto end = static_cast<std::uint64_t>(child.start + option.duration);
    return partials_[child.parent].hash - hashes_[width] + width * mix(end) +
           class_hashes_[static_cast<size_t>(child.task_class)];
  }

  void consider(const Child& child) {
    const FillClass& offered = request_.classes[static_cast<size_t>(child.task_class)];
    const Option& option = offered.options[static_cast<size_t>(child.option)];
    Level& level = levels_[level_of(child.used)];
    const size_t room = request_.width - std::min(request_.width, level.expanded);
    if (room == 0) return;
    const int tasks = partials_[child.parent].tasks + 1;
    const bool full = level.waiting.size() >= room;
    // Noise only adds.
    if (full && static_cast<double>(child.waste + child.rest) + request_.waste_per_task * tasks >=
                    level.waiting.front().rank)
      return;
    const std::uint64_t hash = hash_of(child, option);
    const Ranked ranked{rank_of(child, tasks, hash), 0};
    if (full && !(ranked < level.waiting.front())) return;
    if (!seen_.insert(hash).second) return;
    if (full) {
      std::pop_heap(level.waiting.begin(), level.waiting.end());
      spare_.push_back(level.waiting.back().partial);
      level.waiting.pop_back();
    }
    const size_t index = make(child, option, tasks);
    partials_[index].hash = hash;
    level.waiting.push_back({ranked.rank, index});
    std::push_heap(level.waiting.begin(), level.waiting.end());
    if (request_.all && tasks == total_) add_filling(index, child.waste);
  }

  size_t make(const Child& child, const Option& option, int tasks) {
    const size_t index = new_partial();
    const Millis* from = free_of(child.parent);
    Millis* to = free_of(index);
    const Millis end = child.start + option.duration;
    auto next = static_cast<size_t>(option.devices);
    for (; next < devices_ && from[next] < end; ++next) *to++ = std::max(from[next], child.start);
    for (int d = 0; d < option.devices; ++d) *to++ = end;
    for (; next < devices_; ++next) *to++ = from[next];
    std::copy_n(counts_of(child.parent), request_.classes.size(), counts_of(index));
    ++counts_of(index)[child.task_class];
    partials_[index] = {child.parent, child.task_class, child.option, tasks, child.used, child.waste, 0};
    return index;
  }

  /// The partial schedule as it is, its devices idle from here on.
  void close(size_t index) {
    const Partial& partial = partials_[index];
    const Millis waste = partial.waste + last_used_ - partial.used;
    if (waste > request_.most_waste || (fillings_.size() == most_ && waste >= fillings_.back().waste)) return;
    int placed = 0;
    for (size_t c = 0; must_ > 0 && c < request_.classes.size(); ++c)
      if (request_.classes[c].must) placed += counts_of(index)[c];
    if (placed < must_) return;
    add_filling(index, waste);
  }

  void add_filling(size_t index, Millis waste) {
    std::uint64_t tasks = 0;
    for (size_t c = 0; c < request_.classes.size(); ++c) tasks += counts_of(index)[c] * class_hashes_[c];
    const auto same = std::find(kinds_.begin(), kinds_.end(), tasks);
    if (same != kinds_.end()) {
      const auto at = same - kinds_.begin();
      if (fillings_[static_cast<size_t>(at)].waste <= waste) return;
      fillings_.erase(fillings_.begin() + at);
      kinds_.erase(same);
    }
    Filling filling;
    filling.waste = waste;
    for (size_t at = index; partials_[at].parent != kNone; at = partials_[at].parent)
      filling.order.emplace_back(partials_[at].task_class, partials_[at].option);
    std::reverse(filling.order.begin(), filling.order.end());
    const auto after = std::upper_bound(fillings_.begin(), fillings_.end(), waste,
                                        [](Millis value, const Filling& it) { return value < it.waste; });
    kinds_.insert(kinds_.begin() + (after - fillings_.begin()), tasks);
    fillings_.insert(after, std::move(filling));
    if (fillings_.size() > most_) fillings_.pop_back(), kinds_.pop_back();
  }

  const FillRequest& request_;
  size_t most_;
  LaneRests rest_;
  size_t devices_;
  int total_ = 0;
  int must_ = 0;
  std::int64_t options_ = 0;
  std::int64_t steps_ = 0;  ///< not yet reported
  Millis first_used_ = 0;
  Millis last_used_ = 0;
  std::vector<Partial> partials_;
  std::vector<Millis> free_;
  std::vector<std::uint8_t> counts_;
  std::vector<size_t> spare_;
  std::vector<Level> levels_;
  std::vector<Millis> starts_, idle_, rests_;  ///< by width, of the partial schedule that is expanded
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint64_t> class_hashes_;
  std::unordered_set<std::uint64_t> seen_;
  std::vector<Filling> fillings_;
  std::vector<std::uint64_t> kinds_;  ///< per filling: which tasks it has
};

}  // namespace

std::vector<Filling> fill_node(const FillRequest& request, size_t most, const Deadline& deadline) {
  if (request.classes.empty() || request.free.empty() || request.limit <= 0 || most == 0) return {};
  return Beam(request, most).run(deadline);
}

}  // namespace saturn
