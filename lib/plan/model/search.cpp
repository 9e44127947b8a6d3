// SPDX-License-Identifier: Apache-2.0
#include "plan/model/search.h"

#include <algorithm>
#include <numeric>

namespace saturn {
namespace {

Millis common_divisor(const Instance& instance) {
  Millis divisor = 0;
  for (const InstanceNode& node : instance.nodes)
    for (const Millis free : node.free) divisor = std::gcd(divisor, free);
  for (const Placement& placement : instance.placed)
    divisor = std::gcd(std::gcd(divisor, placement.start), placement.duration);
  for (const TaskClass& task_class : instance.classes)
    for (const std::vector<Option>& options :
         instance.tasks[static_cast<size_t>(task_class.members.front())].options)
      for (const Option& option : options) divisor = std::gcd(divisor, option.duration);
  return std::max<Millis>(1, divisor);
}

}  // namespace

Search::Search(const Instance& instance, std::uint64_t seed, double gap)
    : instance_(&instance), seed_(seed), gap_(gap), unit_(common_divisor(instance)) {}

void Search::listen(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
  if (has_plan() || bound() > 0) tell();
}

/// The mutex is held.
void Search::tell() const {
  if (listener_) listener_({makespan(), bound(), method_, bound_method_});
}

bool Search::offer(const Sequences& sequences, const std::string& method) {
  Millis end = makespan_of(instance_->placed);
  for (size_t n = 0; n < sequences.size(); ++n)
    end = std::max(end, finish_of(*instance_, static_cast<int>(n), sequences[n]).finish);
  const std::lock_guard lock(mutex_);
  if (has_plan() && end >= makespan()) return false;
  best_ = sequences;
  method_ = method;
  makespan_ = end;
  tell();
  return true;
}

void Search::know(Millis makespan) {
  const std::lock_guard lock(mutex_);
  if (!has_plan() || makespan < this->makespan()) makespan_ = makespan;
}

Sequences Search::best() const {
  const std::lock_guard lock(mutex_);
  return best_;
}

std::string Search::method() const {
  const std::lock_guard lock(mutex_);
  return method_;
}

void Search::raise_bound(Millis bound, const std::string& method) {
  const Millis rounded = (bound + unit_ - 1) / unit_ * unit_;
  const std::lock_guard lock(mutex_);
  if (rounded <= this->bound()) return;
  bound_ = rounded;
  bound_method_ = method;
  tell();
}

std::string Search::bound_method() const {
  const std::lock_guard lock(mutex_);
  return bound_method_;
}

Prices Search::prices() const {
  const std::lock_guard lock(mutex_);
  return prices_;
}

void Search::set_prices(Prices prices) {
  const std::lock_guard lock(mutex_);
  prices_ = std::move(prices);
}

bool Search::done() const {
  const Millis end = makespan();
  const Millis least = bound();
  if (end < 0) return false;
  if (end <= enough_) return true;
  return least >= end || static_cast<double>(end - least) <= gap_ * static_cast<double>(end);
}

}  // namespace saturn
