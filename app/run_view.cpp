// SPDX-License-Identifier: Apache-2.0
#include "run_view.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"

namespace saturn {
namespace {

double fraction_done(const TaskSpec& spec, const TaskState& task) {
  if (task.over()) return 1;
  const auto steps = static_cast<double>(std::max(task.step, task.live_step));
  return spec.steps > 0 ? std::min(1.0, steps / static_cast<double>(spec.steps)) : 0;
}

constexpr double kEnoughToTell = 0.02;

/// How much of the sweep a task is: its planned time.
double weight_of(const TaskState& task, const Plan& plan, const std::string& name) {
  if (task.planned_seconds > 0) return task.planned_seconds;
  for (const Assignment& assignment : plan.assignments) {
    if (assignment.task == name) return assignment.duration_seconds;
  }
  return 0;
}

}  // namespace

RunView::RunView(std::vector<TaskSpec> tasks)
    : tasks_(std::move(tasks)),
      progress_(clock_, [](std::string_view text) { (void)write_all(STDERR_FILENO, text); },
                {.terminal = is_terminal(STDERR_FILENO), .style = style_of(STDERR_FILENO)}) {}

void RunView::message(const std::string& text) {
  progress_.message(text);
}

/// ", 1:05 left" once enough of this session is done to tell: by how much of the whole it did in its time.
std::string RunView::time_left(double fraction, int session) {
  if (session != session_) {
    session_ = session;
    began_at_ = clock_.now();
    began_with_ = fraction;
  }
  const double gained = fraction - began_with_;
  if (gained < kEnoughToTell) return "";
  return ", " + to_text_duration((clock_.now() - began_at_) * ((1 - fraction) / gained)) + " left";
}

void RunView::update(const RunState& state, const Plan& plan) {
  double done = 0;
  double total = 0;
  int over = 0;
  std::string running;
  for (const TaskSpec& spec : tasks_) {
    const auto found = state.tasks.find(spec.name);
    const TaskState task = found == state.tasks.end() ? TaskState{} : found->second;
    const double fraction = fraction_done(spec, task);
    const double weight = weight_of(task, plan, spec.name);
    total += weight;
    done += fraction * weight;
    if (task.over()) ++over;
    if (task.holds_devices && !task.over())
      running += fmt::format("  {} {:.0f} %", spec.name, 100 * fraction);
  }
  const double fraction = total > 0 ? done / total : 1;
  progress_.update(fraction, fmt::format("{:.0f} %, {}/{} tasks{}{}", 100 * fraction, over, tasks_.size(),
                                         time_left(fraction, state.sessions), running));
}

}  // namespace saturn
