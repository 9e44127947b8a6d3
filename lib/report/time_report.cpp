// SPDX-License-Identifier: Apache-2.0
#include "report/time_report.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "report/duration.h"
#include "report/table.h"

namespace saturn {
namespace {

using Align = Table::Align;

constexpr double kTenth = 0.1;

std::string tenths(std::int64_t count) {
  return fmt::format("{}.{}", count / 10, count % 10);
}

/// Nothing where there is nothing: what is left stands out, and a column without any is left out.
std::string some_tenths(std::int64_t count) {
  return count == 0 ? "" : tenths(count);
}

/// "2 devices for 1:17", unless their number has changed.
std::string all_of_it(const Accounts& accounts) {
  const double devices = accounts.device_seconds / accounts.makespan_seconds;
  const double whole = std::round(devices);
  if (std::abs(devices - whole) > 1e-9 * whole) return "in all";
  return fmt::format("{:.0f} device{} for {}", whole, whole == 1 ? "" : "s",
                     duration_text(accounts.makespan_seconds));
}

}  // namespace

std::vector<std::int64_t> apportion(const std::vector<double>& parts, double whole, double unit) {
  std::vector<std::int64_t> counts;
  std::vector<double> rest;
  for (const double part : parts) {
    const double units = std::max(0.0, part) / unit;
    counts.push_back(static_cast<std::int64_t>(std::floor(units)));
    rest.push_back(units - std::floor(units));
  }
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rest[a] > rest[b]; });
  const auto left = std::llround(whole / unit) - std::accumulate(counts.begin(), counts.end(), 0LL);
  for (size_t i = 0; i < order.size() && static_cast<long long>(i) < left; ++i) ++counts[order[i]];
  return counts;
}

std::string device_time_table(const Accounts& accounts, const Style& style) {
  if (accounts.device_seconds <= 0) return "";
  const std::vector<std::pair<const char*, double>> parts = {
      {"training", accounts.gangs.training},          {"starting", accounts.gangs.starting},
      {"switching places", accounts.gangs.switching}, {"stopping and going on", accounts.gangs.stopping},
      {"lost to failures", accounts.gangs.lost},      {"devices away", accounts.away},
      {"measuring new tasks", accounts.measuring},    {"idle", accounts.idle}};
  std::vector<double> seconds;
  for (const auto& [name, part] : parts) seconds.push_back(part);
  const auto shown = apportion(seconds, accounts.device_seconds, kTenth);
  for (double& part : seconds) part *= 100 / accounts.device_seconds;
  const auto percent = apportion(seconds, 100, kTenth);
  Table table({{"where the device time went"}, {"seconds", Align::kRight}, {"%", Align::kRight}});
  for (size_t i = 0; i < parts.size(); ++i) {
    if (shown[i] != 0 || percent[i] != 0) table.add({parts[i].first, tenths(shown[i]), tenths(percent[i])});
  }
  table.add({all_of_it(accounts), tenths(std::llround(accounts.device_seconds / kTenth)), "100.0"});
  return table.to_text(style);
}

std::string task_time_table(const RunSummary& summary, const Style& style) {
  Table table({{"seconds of task"},
               {"waiting", Align::kRight},
               {"starting", Align::kRight},
               {"training", Align::kRight},
               {"switching", Align::kRight},
               {"stopping", Align::kRight},
               {"lost", Align::kRight},
               {"after its end", Align::kRight},
               {"in all", Align::kRight}});
  for (const TaskSummary& task : summary.tasks) {
    const GangTime& gangs = task.time.gangs;
    const double all = task.time.total();
    const auto parts = apportion({task.time.waiting, gangs.starting, gangs.training, gangs.switching,
                                  gangs.stopping, gangs.lost, task.time.over},
                                 all, kTenth);
    std::vector<std::string> cells = {task.name};
    for (const std::int64_t part : parts) cells.push_back(some_tenths(part));
    cells.push_back(tenths(std::llround(all / kTenth)));
    table.add(std::move(cells));
  }
  return table.empty() ? "" : table.to_text(style);
}

}  // namespace saturn
