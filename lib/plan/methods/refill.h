// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "plan/methods/fill.h"
#include "plan/model/search.h"

namespace saturn {

/// Large-neighbourhood search: takes everything off a few nodes, one of which ends too late, and fills them
/// anew one by one (fill.h), each with so little waste that the last one has room for what is left. Aims
/// between the bound and the best plan: nearer to the plan after failures, then far below it again with a
/// wider beam. Needs a regular instance; one owner, one thread.
class Refill {
 public:
  Refill(Search& search, std::uint64_t seed);

  /// So many attempts at most.
  void run(const Deadline& deadline, int attempts);

 private:
  struct Share {  ///< of a class: the tasks that the chosen nodes have to run
    int task_class = 0;
    std::vector<int> tasks;  ///< indices into Instance::tasks
  };
  struct Waste {  ///< device time that may be lost on a node
    Millis most = 0;
    Millis fair = 0;  ///< the node's part, were it spread evenly
  };
  void aim();
  void aim_elsewhere();
  void find_worths();
  bool attempt(const Deadline& deadline);
  std::vector<int> choose_nodes();
  std::vector<Share> take_off(const std::vector<int>& nodes);
  bool is_to_stay(const Slot& slot, const std::vector<int>& nodes);
  Millis staying_time(int node) const;
  Waste waste_of(const std::vector<int>& nodes, size_t from, const std::vector<Share>& shares) const;
  std::vector<size_t> offered_shares(const std::vector<Share>& shares, int node, bool all);
  FillRequest request_for(int node, const std::vector<Share>& shares, const std::vector<size_t>& offered,
                          bool all);
  std::optional<std::vector<Slot>> fill(int node, std::vector<Share>& shares, const Waste& waste, bool all,
                                        const Deadline& deadline);
  void accept(const std::vector<int>& nodes, std::vector<std::vector<Slot>> sequences);

  const InstanceTask& first_of(const Share& share) const {
    return instance_.tasks[static_cast<size_t>(share.tasks.front())];
  }
  size_t group_of(int node) const {
    return static_cast<size_t>(instance_.nodes[static_cast<size_t>(node)].group);
  }
  double room_of(int node) const;
  double slack_of(int node) const;
  double value_of(const Share& share) const;

  Search& search_;
  const Instance& instance_;
  std::mt19937_64 random_;
  Sequences current_;
  std::vector<Millis> finishes_;
  Sequences staying_;  ///< per node: the gangs that stay while the chosen ones are filled anew
  Millis goal_ = 0;
  std::vector<std::vector<Millis>> worths_;  ///< per group and class: device time that a task is worth there
  std::vector<double> rates_;                ///< per group: value of a device's millisecond
  double ambition_;                          ///< the goal lies this share of the gap under the best plan
  size_t width_;
  int failures_ = 0;  ///< in a row
};

}  // namespace saturn
