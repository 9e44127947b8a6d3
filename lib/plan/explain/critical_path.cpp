// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/critical_path.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

namespace saturn {
namespace {

std::vector<size_t> by_start(const Plan& plan) {
  std::vector<size_t> order(plan.assignments.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return plan.assignments[a].start_seconds < plan.assignments[b].start_seconds;
  });
  return order;
}

/// Per line the lines before it on its devices, each once.
std::vector<std::vector<size_t>> predecessors(const Plan& plan, const std::vector<size_t>& order) {
  std::map<std::pair<std::string, int>, size_t> last;
  std::vector<std::vector<size_t>> before(plan.assignments.size());
  for (const size_t line : order) {
    const Assignment& it = plan.assignments[line];
    for_each_part(it, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) {
        const auto [found, first] = last.emplace(std::make_pair(node, device), line);
        if (first) continue;
        std::vector<size_t>& known = before[line];
        if (std::find(known.begin(), known.end(), found->second) == known.end())
          known.push_back(found->second);
        found->second = line;
      }
    });
  }
  return before;
}

}  // namespace

bool CriticalPath::critical(size_t line) const {
  return slack_seconds[line] <= kSameTime;
}

CriticalPath critical_path(const Plan& plan) {
  CriticalPath result;
  const std::vector<Assignment>& lines = plan.assignments;
  const std::vector<size_t> order = by_start(plan);
  const std::vector<std::vector<size_t>> before = predecessors(plan, order);
  double makespan = 0;
  for (const Assignment& line : lines) makespan = std::max(makespan, line.end_seconds());
  std::vector<double> latest_end(lines.size(), makespan);
  for (auto line = order.rbegin(); line != order.rend(); ++line)
    for (const size_t earlier : before[*line])
      latest_end[earlier] = std::min(latest_end[earlier], latest_end[*line] - lines[*line].duration_seconds);
  result.waits_for.resize(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    result.slack_seconds.push_back(std::max(0.0, latest_end[i] - lines[i].end_seconds()));
    for (const size_t earlier : before[i])
      if (std::abs(lines[earlier].end_seconds() - lines[i].start_seconds) <= kSameTime)
        result.waits_for[i].push_back(earlier);
  }
  if (lines.empty()) return result;
  const auto last = std::max_element(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
    return a.end_seconds() < b.end_seconds();
  });
  result.chain = {static_cast<size_t>(last - lines.begin())};
  while (!result.waits_for[result.chain.back()].empty())
    result.chain.push_back(result.waits_for[result.chain.back()].front());
  std::reverse(result.chain.begin(), result.chain.end());
  return result;
}

}  // namespace saturn
