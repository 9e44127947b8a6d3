// SPDX-License-Identifier: Apache-2.0
#include "report/run_report.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "report/duration.h"
#include "report/table.h"
#include "report/time_report.h"

namespace saturn {
namespace {

using State = TaskSummary::State;
using Align = Table::Align;

std::string loss_text(double loss) {
  return std::isfinite(loss) ? fmt::format("{:.4f}", loss) : "-";
}

const char* name_of(State state) {
  switch (state) {
    case State::kWaiting:
      return "waiting";
    case State::kTraining:
      return "training";
    case State::kStopped:
      return "stopped";
    case State::kFinished:
      return "finished";
    case State::kFailed:
      return "failed";
  }
  return "";
}

/// Finished tasks, the lowest validation loss first, those without one by their training loss; equal ones
/// keep their order.
std::vector<const TaskSummary*> ranking(const RunSummary& summary) {
  std::vector<const TaskSummary*> tasks;
  for (const TaskSummary& task : summary.tasks) {
    if (task.state == State::kFinished) tasks.push_back(&task);
  }
  const auto finite = [](double loss) { return std::isfinite(loss) ? loss : HUGE_VAL; };
  const auto key = [&](const TaskSummary* t) {
    return std::pair(finite(t->validation_loss), finite(t->training_loss));
  };
  std::stable_sort(tasks.begin(), tasks.end(), [&](auto* a, auto* b) { return key(a) < key(b); });
  return tasks;
}

std::string failures(const RunSummary& summary, const Style& style) {
  std::string text;
  for (const TaskSummary& task : summary.tasks) {
    if (task.state != State::kFailed) continue;
    text += paint(style, Ink::kRed, fmt::format("task '{}' failed: {}", task.name, one_line(task.message))) +
            "\n";
    text += indented(task.log_tail);
  }
  return text;
}

bool ended_early(const TaskSummary& task) {
  return task.state == State::kFinished && !task.ended_early.empty();
}

/// "6 finished (2 early), 1 failed, 1 stopped".
std::string counts(const RunSummary& summary) {
  std::vector<std::string> parts;
  const auto early = std::count_if(summary.tasks.begin(), summary.tasks.end(), ended_early);
  for (const State state :
       {State::kFinished, State::kFailed, State::kStopped, State::kTraining, State::kWaiting}) {
    const auto count = std::count_if(summary.tasks.begin(), summary.tasks.end(),
                                     [&](const TaskSummary& task) { return task.state == state; });
    if (count > 0) parts.push_back(fmt::format("{} {}", count, name_of(state)));
    if (state == State::kFinished && early > 0) parts.back() += fmt::format(" ({} early)", early);
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

bool is_left(const TaskSummary& task) {
  return task.state == State::kStopped || task.state == State::kWaiting;
}

/// How far those came that have not ended.
std::string unfinished(const RunSummary& summary, const Style& style) {
  Table table({{"not finished"}, {"steps", Align::kRight}, {"of", Align::kRight}, {"time", Align::kRight}});
  for (const TaskSummary& task : summary.tasks) {
    if (!is_left(task)) continue;
    table.add({task.name, std::to_string(task.steps), std::to_string(task.of_steps),
               duration_text(task.real_seconds)});
  }
  return table.empty() ? "" : table.to_text(style);
}

std::string makespan_line(const RunSummary& summary) {
  std::string text = "makespan " + duration_text(summary.real_makespan_seconds);
  if (summary.planned_makespan_seconds > 0) {
    const double change = summary.real_makespan_seconds / summary.planned_makespan_seconds - 1;
    text += fmt::format(", planned {} ({:+.1f} %)", duration_text(summary.planned_makespan_seconds),
                        change * 100);
  }
  return text + fmt::format("; devices idle {:.1f} %", summary.idle_fraction * 100);
}

/// The path with the task's name replaced by "TASK": one line for all when they lie alike.
std::string weights_pattern(const TaskSummary& task) {
  std::string path = task.weights;
  const size_t at = path.rfind("/" + task.name + "/");
  if (at != std::string::npos) path.replace(at + 1, task.name.size(), "TASK");
  return path;
}

std::string weights_lines(const std::vector<const TaskSummary*>& tasks) {
  std::set<std::string> patterns;
  for (const TaskSummary* task : tasks) patterns.insert(weights_pattern(*task));
  if (patterns == std::set<std::string>{""}) return "";
  if (tasks.size() > 1 && patterns.size() == 1) return "weights: " + *patterns.begin() + "\n";
  std::string text;
  for (const TaskSummary* task : tasks) {
    if (task->weights.empty()) continue;  // a script need not say
    text += fmt::format("weights of '{}': {}\n", task->name, task->weights);
  }
  return text;
}

}  // namespace

std::string leaderboard(const RunSummary& summary, const Style& style) {
  Table table({{"#", Align::kRight},
               {"task"},
               {"validation loss", Align::kRight},
               {"training loss", Align::kRight},
               {"steps", Align::kRight},
               {"time", Align::kRight},
               {"planned", Align::kRight},
               {"finished early"}});
  int rank = 0;
  for (const TaskSummary* task : ranking(summary)) {
    std::vector<std::string> cells = {std::to_string(++rank),
                                      task->name,
                                      loss_text(task->validation_loss),
                                      loss_text(task->training_loss),
                                      std::to_string(task->steps),
                                      duration_text(task->real_seconds),
                                      duration_text(task->planned_seconds),
                                      task->ended_early};
    if (rank == 1) {
      table.add(std::move(cells), Ink::kGreen);
    } else {
      table.add(std::move(cells));
    }
  }
  return table.empty() ? "" : table.to_text(style);
}

std::string run_report(const RunSummary& summary, const Style& style) {
  std::string text = failures(summary, style);
  text += fmt::format("{} task{}: {}\n", summary.tasks.size(), summary.tasks.size() == 1 ? "" : "s",
                      counts(summary));
  text += unfinished(summary, style);
  text += makespan_line(summary) + "\n" + device_time_table(summary.accounts, style);
  const auto finished = ranking(summary);
  if (finished.empty()) return text;
  const TaskSummary& best = *finished.front();
  const bool validated = std::isfinite(best.validation_loss);
  if (validated || (std::isfinite(best.training_loss) && finished.size() > 1)) {
    const std::string line =
        fmt::format("best: '{}', {} loss {}", best.name, validated ? "validation" : "training",
                    loss_text(validated ? best.validation_loss : best.training_loss));
    text += paint(style, Ink::kGreen, line) + "\n";
  }
  return text + weights_lines(finished);
}

std::string task_table(const RunSummary& summary, const Style& style) {
  Table table({{"task"},
               {"state"},
               {"steps", Align::kRight},
               {"validation loss", Align::kRight},
               {"time", Align::kRight},
               {"planned", Align::kRight},
               {"message"}});
  for (const TaskSummary& task : summary.tasks) {
    std::vector<std::string> cells = {
        task.name,
        name_of(task.state),
        std::to_string(task.steps),
        task.state == State::kFinished ? loss_text(task.validation_loss) : "-",
        duration_text(task.real_seconds),
        duration_text(task.planned_seconds),
        ended_early(task) ? "finished early: " + task.ended_early : task.message};
    if (task.state == State::kFailed) {
      table.add(std::move(cells), Ink::kRed);
    } else {
      table.add(std::move(cells));
    }
  }
  return table.empty() ? "the run has no tasks\n" : table.to_text(style);
}

}  // namespace saturn
