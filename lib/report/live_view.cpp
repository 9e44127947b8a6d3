// SPDX-License-Identifier: Apache-2.0
#include "report/live_view.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "report/duration.h"
#include "report/table.h"

namespace saturn {
namespace {

using Align = Table::Align;
using Phase = TaskState::Phase;
using Place = std::pair<std::string, int>;

constexpr size_t kTaskColumns = 32;
constexpr int kBarWidth = 12;
constexpr int kWideBarWidth = 24;

std::string bar(double fraction, int width) {
  const auto filled = static_cast<size_t>(std::clamp(fraction, 0.0, 1.0) * width);
  return "[" + std::string(filled, '#') + std::string(static_cast<size_t>(width) - filled, '.') + "]";
}

double fraction_of(const TaskSpec& spec, const TaskState& task) {
  if (task.over()) return 1;
  const auto steps = static_cast<double>(std::max(task.step, task.live_step));
  return spec.steps > 0 ? std::min(1.0, steps / static_cast<double>(spec.steps)) : 0;
}

/// What the view asks a run again and again.
class Lookup {
 public:
  explicit Lookup(const LiveRun& run) : run_(run) {
    for (const TaskSpec& spec : run.tasks) specs_[spec.name] = &spec;
    for (const Assignment& line : run.plan.assignments) lines_[line.task] = &line;
  }

  const TaskState& state(const std::string& task) const {
    static const TaskState kNone;
    const auto found = run_.state.tasks.find(task);
    return found == run_.state.tasks.end() ? kNone : found->second;
  }
  const TaskSpec* spec(const std::string& task) const {
    const auto found = specs_.find(task);
    return found == specs_.end() ? nullptr : found->second;
  }
  double planned(const std::string& task) const {
    const double when_started = state(task).planned_seconds;
    if (when_started > 0) return when_started;
    const auto found = lines_.find(task);
    return found == lines_.end() ? 0 : found->second->duration_seconds;
  }
  /// Of a task whose gang runs.
  double running_left(const std::string& name) const {
    const TaskState& task = state(name);
    if (task.over()) return 0;
    const TaskSpec* spec_now = spec(name);
    if (spec_now != nullptr && task.phase == Phase::kTraining && task.step_seconds > 0)
      return static_cast<double>(spec_now->steps - task.live_step) * task.step_seconds;
    return std::max(0.0, task.gang->planned_seconds - (run_.now - task.gang->at));
  }
  /// Of a task that is yet to be started (again), by that line.
  double waiting_left(const Assignment& line) const {
    const TaskState& task = state(line.task);
    const TaskSpec* spec_now = spec(line.task);
    const bool known = spec_now != nullptr && task.gang && task.step_seconds > 0 &&
                       task.gang->parallelism == line.parallelism &&
                       device_count(*task.gang) == device_count(line) &&
                       task.gang->further.size() == line.further.size();
    return known ? static_cast<double>(spec_now->steps - task.step) * task.step_seconds
                 : line.duration_seconds;
  }

 private:
  const LiveRun& run_;
  std::unordered_map<std::string, const TaskSpec*> specs_;
  std::unordered_map<std::string, const Assignment*> lines_;
};

double left_of(const LiveRun& run, const Lookup& lookup) {
  std::map<Place, double> free_at;
  double end = 0;
  for (const auto& [name, task] : run.state.tasks) {
    if (!task.holds_devices) continue;
    const double left = lookup.running_left(name);
    for_each_part(*task.gang, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) free_at[{node, device}] = left;
    });
    end = std::max(end, left);
  }
  for (const Assignment& line : run.plan.assignments) {
    const TaskState& task = lookup.state(line.task);
    if (task.over() || task.holds_devices) continue;
    double start = 0;
    for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) start = std::max(start, free_at[{node, device}]);
    });
    const double line_end = start + lookup.waiting_left(line);
    for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) free_at[{node, device}] = line_end;
    });
    end = std::max(end, line_end);
  }
  return end;
}

/// "0-3,5".
std::string ranges(const std::vector<int>& devices) {
  std::string text;
  for (size_t i = 0; i < devices.size();) {
    size_t last = i;
    while (last + 1 < devices.size() && devices[last + 1] == devices[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", devices[i]);
    if (last > i) text += fmt::format("{}{}", last == i + 1 ? "," : "-", devices[last]);
    i = last + 1;
  }
  return text;
}

std::string speed_text(double step_seconds) {
  if (step_seconds <= 0) return "";
  return step_seconds < 1 ? fmt::format("{:.3g} steps/s", 1 / step_seconds)
                          : fmt::format("{:.3g} s/step", step_seconds);
}

constexpr const char* kLost = "lost";

struct Row {
  std::string node;
  std::vector<int> devices;
  std::string task;              ///< empty: no gang
  const char* without = "idle";  ///< what they do without one
};

/// Gangs, and what is left of each node, in the order of nodes and devices.
std::vector<Row> rows_of(const LiveRun& run) {
  std::vector<Row> rows;
  std::set<Place> held;
  for (const auto& [name, task] : run.state.tasks) {
    if (!task.holds_devices) continue;
    for_each_part(*task.gang, [&](const std::string& node, const std::vector<int>& devices) {
      rows.push_back({node, devices, name});
      for (const int device : devices) held.insert({node, device});
    });
  }
  for (const auto& [node, count] : run.devices) {
    Row idle{node, {}, ""};
    Row lost{node, {}, "", kLost};
    Row measuring{node, {}, "", "measuring"};
    const auto lent = run.state.measuring.find(node);
    for (int device = 0; device < count; ++device) {
      if (held.contains({node, device})) continue;
      const bool is_lent = lent != run.state.measuring.end() && lent->second.contains(device);
      (run.state.lost.contains({node, device}) ? lost : is_lent ? measuring : idle).devices.push_back(device);
    }
    for (Row& row : {std::ref(idle), std::ref(lost), std::ref(measuring)})
      if (!row.devices.empty()) rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.node, a.devices) < std::tie(b.node, b.devices);
  });
  return rows;
}

void add_gang(Table& table, const Row& row, const Lookup& lookup) {
  const TaskState& task = lookup.state(row.task);
  const TaskSpec* spec = lookup.spec(row.task);
  const double fraction = spec == nullptr ? 0 : fraction_of(*spec, task);
  const std::int64_t steps = std::max(task.step, task.live_step);
  const bool training = task.phase == Phase::kTraining;
  const std::string how = task.gang->parallelism;
  table.add({row.node + ":" + ranges(row.devices), cut(row.task, kTaskColumns),
             fmt::format("{:3.0f} % {}", std::floor(100 * fraction), bar(fraction, kBarWidth)),
             task.over() ? "saving" : duration_text(lookup.running_left(row.task)),
             training       ? speed_text(task.step_seconds)
             : !task.over() ? "starting"
                            : "",
             spec == nullptr ? "" : fmt::format("{}/{}", steps, spec->steps), how});
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t from = 0; from < text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return lines;
}

int count_over(const LiveRun& run, Phase phase) {
  return static_cast<int>(std::count_if(run.tasks.begin(), run.tasks.end(), [&](const TaskSpec& spec) {
    const auto found = run.state.tasks.find(spec.name);
    return found != run.state.tasks.end() && found->second.phase == phase;
  }));
}

std::string tasks_text(const LiveRun& run) {
  const int failed = count_over(run, Phase::kFailed);
  return fmt::format("{}/{} tasks{}", count_over(run, Phase::kFinished) + failed, run.tasks.size(),
                     failed > 0 ? fmt::format(" ({} failed)", failed) : "");
}

/// "1:05 of about 3:10, planned 3:00 (+5.6 %)".
std::string length_text(const LiveRun& run, double left) {
  const double elapsed = run.state.earlier_seconds + run.now;
  std::string text = fmt::format("{} of about {}", duration_text(elapsed), duration_text(elapsed + left));
  const double planned = run.state.plans.empty() ? 0 : run.state.plans.front().remaining_seconds_after;
  if (planned > 0)
    text += fmt::format(", planned {} ({:+.1f} %)", duration_text(planned),
                        100 * ((elapsed + left) / planned - 1));
  return text;
}

}  // namespace

double fraction_done(const LiveRun& run) {
  const Lookup lookup(run);
  double done = 0;
  double total = 0;
  for (const TaskSpec& spec : run.tasks) {
    const double weight = lookup.planned(spec.name);
    total += weight;
    done += weight * fraction_of(spec, lookup.state(spec.name));
  }
  return total > 0 ? done / total : 1;
}

double seconds_left(const LiveRun& run) {
  return left_of(run, Lookup(run));
}

std::string live_line(const LiveRun& run) {
  std::string text = fmt::format("{:.0f} %, {}, {} left", std::floor(100 * fraction_done(run)),
                                 tasks_text(run), duration_text(seconds_left(run)));
  for (const TaskSpec& spec : run.tasks) {
    const auto found = run.state.tasks.find(spec.name);
    if (found == run.state.tasks.end() || !found->second.holds_devices || found->second.over()) continue;
    text += fmt::format("  {} {:.0f} %", spec.name, std::floor(100 * fraction_of(spec, found->second)));
  }
  return text;
}

std::vector<std::string> live_view(const LiveRun& run, const Style& style, int height) {
  const Lookup lookup(run);
  const auto width = static_cast<size_t>(std::max(style.width - 1, 1));  // a full line would wrap
  const double done = fraction_done(run);
  const double left = left_of(run, lookup);
  std::vector<std::string> lines = {
      cut(fmt::format("{} {:.0f} %, {}, {} left", bar(done, kWideBarWidth), std::floor(100 * done),
                      tasks_text(run), duration_text(left)),
          width),
      cut(length_text(run, left), width)};
  lines.front() = paint(style, Ink::kBold, lines.front());
  Table table({{"devices"},
               {"task"},
               {"progress"},
               {"left", Align::kRight},
               {"speed", Align::kRight},
               {"steps", Align::kRight},
               {"parallelism"}});
  const std::vector<Row> rows = rows_of(run);
  const auto room = static_cast<size_t>(std::max(height - 3, 1));  // below the two lines and the heading
  const size_t shown = rows.size() > room ? room - 1 : rows.size();
  for (size_t i = 0; i < shown; ++i) {
    const Row& row = rows[i];
    if (row.task.empty()) {
      table.add({row.node + ":" + ranges(row.devices), row.without, "", "", "", "", ""},
                row.without == kLost ? Ink::kRed : Ink::kDim);
    } else {
      add_gang(table, row, lookup);
    }
  }
  Style narrow = style;
  narrow.width = static_cast<int>(width);
  for (std::string& line : lines_of(table.empty() ? "" : table.to_text(narrow)))
    lines.push_back(std::move(line));
  if (shown < rows.size()) lines.push_back(cut(fmt::format("… and {} more", rows.size() - shown), width));
  if (std::ssize(lines) > height) lines.resize(static_cast<size_t>(std::max(height, 1)));
  return lines;
}

}  // namespace saturn
