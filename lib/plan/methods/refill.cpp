// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/refill.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "plan/model/index.h"

namespace saturn {
namespace {

constexpr double kMostAmbition = 0.5;
constexpr double kLeastAmbition = 0.05;
constexpr double kLessAmbition = 0.6;  ///< factor after failures
constexpr int kPatience = 40;          ///< failures in a row
constexpr size_t kFirstWidth = 30;
constexpr size_t kMostWidth = 1000;
constexpr size_t kLastNode =
    4;  ///< times the width: what is left must go there, so it is worth a longer look
constexpr size_t kMostRefilled = 4;
constexpr int kDraws = 3;
constexpr size_t kFillings = 6;
constexpr size_t kMostClasses = 40;  ///< that a node is offered
constexpr size_t kLargest = 20;      ///< of those the ones with most work
constexpr int kMostCopies = 255;
constexpr double kNoise = 0.3;
constexpr double kStaysAgain = 0.8;    ///< how likely a gang that stays does so again
constexpr double kStaysAnew = 0.4;     ///< and one that has moved
constexpr double kWastePerTask = 0.3;  ///< at most, as a share of a node's fair part of the waste

double uniform(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) * 0x1.0p-53;
}

}  // namespace

Refill::Refill(Search& search, std::uint64_t seed)
    : search_(search),
      instance_(search.instance()),
      random_(seed),
      ambition_(kMostAmbition),
      width_(kFirstWidth) {}

/// Starts from the best plan, with the next goal.
void Refill::aim() {
  current_ = search_.best();
  finishes_.clear();
  for (size_t n = 0; n < current_.size(); ++n)
    finishes_.push_back(finish_of(instance_, static_cast<int>(n), current_[n]).finish);
  const auto gap = static_cast<double>(search_.makespan() - search_.bound());
  goal_ = search_.makespan() - std::max(search_.unit(), static_cast<Millis>(ambition_ * gap));
  find_worths();
}

void Refill::aim_elsewhere() {
  failures_ = 0;
  ambition_ *= kLessAmbition;
  if (ambition_ < kLeastAmbition) {
    ambition_ = kMostAmbition;
    width_ = std::min(kMostWidth, 2 * width_);
  }
  aim();
}

/// By the bound's prices, or else by what a task costs at its cheapest.
void Refill::find_worths() {
  const Prices prices = search_.prices();
  const auto groups = at(instance_.groups);
  worths_.assign(groups, std::vector<Millis>(instance_.classes.size(), 0));
  rates_.assign(groups, 1);
  for (size_t group = 0; group < groups && !prices.tasks.empty(); ++group)
    rates_[group] = std::max(prices.devices[group], 1e-9);
  for (size_t c = 0; c < instance_.classes.size(); ++c) {
    Millis least = 0;
    for (const std::vector<Option>& options :
         instance_.tasks[at(instance_.classes[c].members.front())].options)
      for (const Option& option : options)
        if (option.duration <= goal_ && (least == 0 || option.area() < least)) least = option.area();
    for (size_t group = 0; group < groups; ++group)
      worths_[group][c] =
          prices.tasks.empty()
              ? least
              : static_cast<Millis>(prices.tasks[c] * static_cast<double>(goal_) / rates_[group]);
  }
}

/// The value of the node's time until the goal.
double Refill::room_of(int node) const {
  double room = 0;
  for (const Millis free : instance_.nodes[at(node)].free)
    room += static_cast<double>(std::max<Millis>(0, goal_ - free));
  return room * rates_[group_of(node)];
}

/// That, less what the node's tasks are worth.
double Refill::slack_of(int node) const {
  const size_t group = group_of(node);
  double slack = room_of(node);
  for (const Slot& slot : current_[at(node)])
    slack -=
        rates_[group] * static_cast<double>(worths_[group][at(instance_.tasks[at(slot.task)].task_class)]);
  return slack;
}

/// The same by every group's rate.
double Refill::value_of(const Share& share) const {
  return static_cast<double>(share.tasks.size()) * rates_[0] *
         static_cast<double>(worths_[0][at(share.task_class)]);
}

/// One that ends too late and a few others, of some draws the one with the most slack; smaller nodes first.
/// Empty when none has any.
std::vector<int> Refill::choose_nodes() {
  std::vector<int> late, all(current_.size());
  std::iota(all.begin(), all.end(), 0);
  for (const int node : all)
    if (finishes_[at(node)] > goal_) late.push_back(node);
  if (late.empty()) return {};
  const size_t most = std::min(all.size(), kMostRefilled);
  const size_t count = most <= 2 ? most : 2 + random_() % (most - 1);
  std::vector<int> best;
  double best_slack = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::shuffle(all.begin(), all.end(), random_);
    std::swap(*std::find(all.begin(), all.end(), late[random_() % late.size()]), all.front());
    std::vector<int> nodes(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    double slack = 0;
    for (const int node : nodes) slack += slack_of(node);
    if (best.empty() || slack > best_slack) best = std::move(nodes), best_slack = slack;
  }
  if (best_slack < 0) return {};
  std::shuffle(best.begin(), best.end(), random_);
  std::stable_sort(best.begin(), best.end(), [&](int a, int b) {
    return instance_.nodes[at(a)].free.size() < instance_.nodes[at(b)].free.size();
  });
  return best;
}

/// Mostly as it is now: filling knows nothing of gangs that stay, so that is decided before.
bool Refill::is_to_stay(const Slot& slot, const std::vector<int>& nodes) {
  const Option* staying = instance_.running ? instance_.staying(slot.task) : nullptr;
  if (staying == nullptr || staying->duration > goal_) return false;
  const InstanceTask& task = instance_.tasks[at(slot.task)];
  if (std::find(nodes.begin(), nodes.end(), task.home) == nodes.end()) return false;
  if (instance_.must_stay(slot.task)) return true;
  return uniform(random_) < (slot.option.stays() ? kStaysAgain : kStaysAnew);
}

/// Those that are to stay go to `staying_`.
std::vector<Refill::Share> Refill::take_off(const std::vector<int>& nodes) {
  std::map<int, std::vector<int>> by_class;
  staying_.assign(current_.size(), {});
  for (const int node : nodes)
    for (const Slot& slot : current_[at(node)]) {
      const InstanceTask& task = instance_.tasks[at(slot.task)];
      if (is_to_stay(slot, nodes))
        staying_[at(task.home)].push_back({slot.task, *instance_.staying(slot.task)});
      else
        by_class[task.task_class].push_back(slot.task);
    }
  std::vector<Share> shares;
  for (auto& [task_class, tasks] : by_class) shares.push_back({task_class, std::move(tasks)});
  return shares;
}

Millis Refill::staying_time(int node) const {
  Millis time = 0;
  for (const Slot& slot : staying_[at(node)]) time += slot.option.area();
  return time;
}

/// What the node at `from` may lose: all that this one and those after it have more than they need.
Refill::Waste Refill::waste_of(const std::vector<int>& nodes, size_t from,
                               const std::vector<Share>& shares) const {
  double slack = 0;
  for (const Share& share : shares) slack -= value_of(share);
  for (size_t i = from; i < nodes.size(); ++i)
    slack += room_of(nodes[i]) - rates_[group_of(nodes[i])] * static_cast<double>(staying_time(nodes[i]));
  const double time = slack / rates_[group_of(nodes[from])];
  return {static_cast<Millis>(time), static_cast<Millis>(time / static_cast<double>(nodes.size() - from))};
}

/// Indices of the shares that the node is offered: all that may be there, or of many the largest ones and a
/// few at random.
std::vector<size_t> Refill::offered_shares(const std::vector<Share>& shares, int node, bool all) {
  const int group = static_cast<int>(group_of(node));
  std::vector<size_t> offered;
  for (size_t s = 0; s < shares.size(); ++s)
    if (!shares[s].tasks.empty() && first_of(shares[s]).may_use(node, group)) offered.push_back(s);
  if (all || offered.size() <= kMostClasses) return offered;
  const auto worth = [&](size_t s) { return worths_[at(group)][at(shares[s].task_class)]; };
  const auto pinned = [&](size_t s) { return first_of(shares[s]).node == node; };
  std::shuffle(offered.begin(), offered.end(), random_);
  std::partial_sort(offered.begin(), offered.begin() + kLargest, offered.end(), [&](size_t a, size_t b) {
    return pinned(a) != pinned(b) ? pinned(a) : worth(a) > worth(b);
  });
  std::shuffle(offered.begin() + kLargest, offered.end(), random_);
  offered.resize(kMostClasses);
  return offered;
}

FillRequest Refill::request_for(int node, const std::vector<Share>& shares,
                                const std::vector<size_t>& offered, bool all) {
  FillRequest request;
  Timeline timeline(instance_.nodes[at(node)].free);
  for (const Slot& slot : staying_[at(node)]) timeline.place(slot.option.devices, slot.option.duration);
  request.free = timeline.free();
  request.limit = goal_;
  request.all = all;
  request.width = all ? kLastNode * width_ : width_;
  request.noise = kNoise;
  request.seed = random_();
  for (const size_t s : offered) {
    const InstanceTask& task = first_of(shares[s]);
    const int count = std::min(kMostCopies, static_cast<int>(shares[s].tasks.size()));
    const std::span<const Option> moves = task.moves(static_cast<int>(group_of(node)));
    request.classes.push_back({count,
                               task.node == node,
                               worths_[group_of(node)][at(shares[s].task_class)],
                               {moves.begin(), moves.end()}});
  }
  return request;
}

/// The node's new sequence; its tasks leave the shares.
std::optional<std::vector<Slot>> Refill::fill(int node, std::vector<Share>& shares, const Waste& waste,
                                              bool all, const Deadline& deadline) {
  const std::vector<size_t> offered = offered_shares(shares, node, all);
  if (offered.empty() && !staying_[at(node)].empty()) return staying_[at(node)];
  FillRequest request = request_for(node, shares, offered, all);
  request.most_waste = waste.most;
  request.fair_waste = waste.fair;
  request.waste_per_task = uniform(random_) * kWastePerTask * static_cast<double>(waste.fair);
  const std::vector<Filling> fillings = fill_node(request, all ? 1 : kFillings, deadline);
  if (fillings.empty()) return std::nullopt;
  std::vector<Slot> sequence = staying_[at(node)];
  for (const auto& [task_class, option] : fillings[random_() % fillings.size()].order) {
    Share& share = shares[offered[at(task_class)]];
    sequence.push_back({share.tasks.back(), request.classes[at(task_class)].options[at(option)]});
    share.tasks.pop_back();
  }
  return sequence;
}

void Refill::accept(const std::vector<int>& nodes, std::vector<std::vector<Slot>> sequences) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    finishes_[at(nodes[i])] = finish_of(instance_, nodes[i], sequences[i]).finish;
    current_[at(nodes[i])] = std::move(sequences[i]);
  }
}

bool Refill::attempt(const Deadline& deadline) {
  const std::vector<int> nodes = choose_nodes();
  if (nodes.empty()) return false;
  std::vector<Share> shares = take_off(nodes);
  std::vector<std::vector<Slot>> sequences;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bool last = i + 1 == nodes.size();
    std::optional<std::vector<Slot>> sequence =
        fill(nodes[i], shares, waste_of(nodes, i, shares), last, deadline);
    if (!sequence) return false;
    sequences.push_back(std::move(*sequence));
  }
  const bool all_placed =
      std::all_of(shares.begin(), shares.end(), [](const Share& share) { return share.tasks.empty(); });
  if (!all_placed) return false;  // pinned elsewhere, or more of a class than a node is offered
  accept(nodes, std::move(sequences));
  return true;
}

void Refill::run(const Deadline& deadline, int attempts) {
  if (search_.done()) return;
  aim();
  for (int i = 0; i < attempts && !deadline.passed(); ++i) {
    if (!attempt(deadline)) {
      if (++failures_ >= kPatience) aim_elsewhere();
      continue;
    }
    failures_ = 0;
    const bool in_time =
        std::all_of(finishes_.begin(), finishes_.end(), [&](Millis finish) { return finish <= goal_; });
    if (!in_time) continue;
    search_.offer(current_, "node filling");
    if (search_.done()) return;
    aim();
  }
}

}  // namespace saturn
