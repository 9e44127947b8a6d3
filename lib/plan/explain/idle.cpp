// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/idle.h"

#include <algorithm>
#include <map>

#include "plan/explain/critical_path.h"
#include "plan/model/pins.h"

namespace saturn {
namespace {

class IdleFinder {
 public:
  IdleFinder(const Problem& problem, const Plan& plan)
      : problem_(problem), plan_(plan), path_(critical_path(plan)) {
    for (size_t i = 0; i < plan.assignments.size(); ++i)
      for_each_part(plan.assignments[i], [&](const std::string& node, const std::vector<int>& devices) {
        for (const int device : devices) lines_[{node, device}].push_back(i);
      });
    for (const ProblemTask& task : problem.tasks) tasks_[task.name] = &task;
  }

  std::vector<IdleSpan> run() {
    for (const ProblemNode& node : problem_.nodes) {
      const size_t first = spans_.size();
      for (size_t device = 0; device < node.free_at_seconds.size(); ++device)
        add_device(node, static_cast<int>(device), first);
      std::stable_sort(spans_.begin() + static_cast<std::ptrdiff_t>(first), spans_.end(),
                       [](const IdleSpan& a, const IdleSpan& b) { return a.from_seconds < b.from_seconds; });
    }
    return std::move(spans_);
  }

 private:
  void add_device(const ProblemNode& node, int device, size_t first) {
    std::vector<size_t>& lines = lines_[{node.name, device}];
    std::sort(lines.begin(), lines.end(), [&](size_t a, size_t b) {
      return plan_.assignments[a].start_seconds < plan_.assignments[b].start_seconds;
    });
    double free = node.free_at_seconds[static_cast<size_t>(device)];
    for (const size_t line : lines) {
      if (plan_.assignments[line].start_seconds - free > kSameTime)
        add(first, device, before(line, node.name, free));
      free = plan_.assignments[line].end_seconds();
    }
    if (plan_.makespan_seconds - free > kSameTime) add(first, device, at_the_end(node, free));
  }

  /// One span for devices that are idle alike.
  void add(size_t first, int device, IdleSpan span) {
    for (size_t i = first; i < spans_.size(); ++i) {
      IdleSpan& known = spans_[i];
      if (known.from_seconds == span.from_seconds && known.to_seconds == span.to_seconds &&
          known.why == span.why && known.task == span.task) {
        known.devices.push_back(device);
        return;
      }
    }
    span.devices = {device};
    spans_.push_back(std::move(span));
  }

  IdleSpan before(size_t line, const std::string& node, double from) const {
    const Assignment& next = plan_.assignments[line];
    IdleSpan span{node, {}, from, next.start_seconds, IdleSpan::Why::kLate, next.task, {}};
    for (const size_t other : path_.waits_for[line])
      span.waiting_for.push_back(plan_.assignments[other].task);
    if (!span.waiting_for.empty() || waits_for_release(next))
      span.why = IdleSpan::Why::kGang;
    else if (next.pinned.start)
      span.why = IdleSpan::Why::kPinned;
    return span;
  }

  bool waits_for_release(const Assignment& line) const {
    return any_device(line, [&](const std::string& name, int device) {
      return std::any_of(problem_.nodes.begin(), problem_.nodes.end(), [&](const ProblemNode& node) {
        if (node.name != name) return false;
        const double free = node.free_at_seconds[static_cast<size_t>(device)];
        return free > 0 && line.start_seconds - free <= kSameTime;
      });
    });
  }

  IdleSpan at_the_end(const ProblemNode& node, double from) const {
    IdleSpan span{node.name, {}, from, plan_.makespan_seconds, IdleSpan::Why::kNothingLeft, "", {}};
    for (const Assignment& line : plan_.assignments) {
      if (line.start_seconds < from - kSameTime) continue;
      if (span.why == IdleSpan::Why::kNothingLeft) span.why = IdleSpan::Why::kNoneFits;
      if (can_run(line.task, node)) span.why = IdleSpan::Why::kNoGain;
    }
    return span;
  }

  bool can_run(const std::string& task, const ProblemNode& node) const {
    const auto found = tasks_.find(task);
    if (found == tasks_.end()) return false;
    return std::any_of(found->second->configurations.begin(), found->second->configurations.end(),
                       [&](const Configuration& configuration) {
                         return may_be_on(configuration, node) && fits(configuration, problem_.nodes);
                       });
  }

  const Problem& problem_;
  const Plan& plan_;
  CriticalPath path_;
  std::map<std::pair<std::string, int>, std::vector<size_t>> lines_;  ///< per device
  std::map<std::string, const ProblemTask*> tasks_;
  std::vector<IdleSpan> spans_;
};

}  // namespace

std::vector<IdleSpan> idle_spans(const Problem& problem, const Plan& plan) {
  return IdleFinder(problem, plan).run();
}

}  // namespace saturn
