// SPDX-License-Identifier: Apache-2.0
#include "report/explain_report.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/duration.h"
#include "report/table.h"

namespace saturn {
namespace {

using How = Consequence::How;
using Align = Table::Align;

/// Of idle spans, so many are shown, the largest first.
constexpr size_t kMostSpans = 20;

std::string shape_text(const Configuration& configuration) {
  const std::string knobs = to_text(configuration.knobs);
  return fmt::format("{}{} on {} x {}{}", configuration.parallelism, knobs.empty() ? "" : " " + knobs,
                     configuration.devices, configuration.device_kind, across_text(configuration.nodes));
}

std::string place_text(const Assignment& line) {
  const std::string knobs = to_text(line.knobs);
  return fmt::format("{}{} on {}", line.parallelism, knobs.empty() ? "" : " " + knobs, where_text(line));
}

std::string percent(double part, double whole) {
  return whole > 0 ? fmt::format("{:+.1f} %", part / whole * 100) : "";
}

/// "1:58 (+3.5 %)".
std::string makespan_text(const Consequence& consequence, double planned) {
  if (consequence.how == How::kImpossible) return "-";
  const double more = consequence.makespan_seconds - planned;
  if (more > -kSameTime && more < kSameTime)
    return duration_text(consequence.makespan_seconds) + " (the same)";
  return fmt::format("{} ({})", duration_text(consequence.makespan_seconds), percent(more, planned));
}

/// How sure that makespan is.
std::string certainty(const Consequence& consequence, double planned) {
  const double open = consequence.makespan_seconds - consequence.lower_bound_seconds;
  switch (consequence.how) {
    case How::kPlanned:
      return "planned";
    case How::kRetimed:
      return "re-timed";
    case How::kImpossible:
      return consequence.why_not;
    case How::kSolved:
      break;
  }
  if (open < kSameTime) return "solved, proven least";
  const double least = consequence.lower_bound_seconds - planned;
  return fmt::format("solved, at least {} ({})", duration_text(consequence.lower_bound_seconds),
                     least > -kSameTime && least < kSameTime ? "the same" : percent(least, planned));
}

std::string slack_text(const TaskExplanation& task) {
  return task.critical ? "none" : duration_text(task.slack_seconds);
}

/// "after 'a', 'b'": what the start waits for.
std::string start_reason(const TaskExplanation& task) {
  if (!task.waits_for.empty()) return fmt::format("after '{}'", fmt::join(task.waits_for, "', '"));
  if (task.line.start_seconds < kSameTime) return "from the beginning";
  if (task.line.start_seconds - task.devices_free_seconds < kSameTime) return "when its devices become free";
  return task.line.pinned.start ? "pinned" : "later than it could";
}

/// The other configuration that costs least; empty when none is known.
const ConfigurationConsequence* cheapest(const TaskExplanation& task) {
  const ConfigurationConsequence* best = nullptr;
  for (const ConfigurationConsequence& it : task.configurations) {
    if (it.planned || it.consequence.how == How::kImpossible) continue;
    if (best == nullptr || it.consequence.makespan_seconds < best->consequence.makespan_seconds) best = &it;
  }
  return best;
}

std::string chain_text(const Explanation& explanation, const Style& style) {
  if (explanation.chain.empty()) return "";
  const std::string chain = fmt::format("{}", fmt::join(explanation.chain, " -> "));
  return paint(style, Ink::kBold, "What makes the plan as long as it is") +
         fmt::format("\n{}\nWhatever delays one of these delays the end, {}.\n", chain,
                     duration_text(explanation.makespan_seconds));
}

std::string task_lines(const Explanation& explanation, const Style& style) {
  const double planned = explanation.makespan_seconds;
  Table table({{"task"},
               {"runs as"},
               {"starts", Align::kRight},
               {"why then"},
               {"slack", Align::kRight},
               {"next best"},
               {"the end then", Align::kRight},
               {""}});
  for (const TaskExplanation& task : explanation.tasks) {
    std::vector<std::string> cells{task.line.task, place_text(task.line),
                                   duration_text(task.line.start_seconds), start_reason(task),
                                   slack_text(task)};
    const ConfigurationConsequence* other = cheapest(task);
    cells.push_back(other == nullptr ? "" : shape_text(other->configuration));
    cells.push_back(other == nullptr ? "" : makespan_text(other->consequence, planned));
    cells.push_back(other == nullptr ? "" : certainty(other->consequence, planned));
    table.add(std::move(cells));
  }
  return table.empty() ? "the plan has no tasks\n" : table.to_text(style);
}

std::string idle_reason(const IdleSpan& span) {
  switch (span.why) {
    case IdleSpan::Why::kGang:
      return span.waiting_for.empty() ? fmt::format("'{}' waits until all its devices are free", span.task)
                                      : fmt::format("'{}', a gang, waits for '{}'", span.task,
                                                    fmt::join(span.waiting_for, "', '"));
    case IdleSpan::Why::kPinned:
      return fmt::format("'{}' is pinned to its start", span.task);
    case IdleSpan::Why::kLate:
      return fmt::format("'{}' is planned later than it could start", span.task);
    case IdleSpan::Why::kNothingLeft:
      return "every task has started";
    case IdleSpan::Why::kNoneFits:
      return "none of the tasks left can run here";
    case IdleSpan::Why::kNoGain:
      return "the tasks left run elsewhere";
  }
  return "";
}

std::string idle_text(const Explanation& explanation, const Style& style) {
  std::string text = paint(style, Ink::kBold, "Idle devices") +
                     fmt::format("\n{:.1f} of {:.1f} device-seconds", explanation.idle_device_seconds,
                                 explanation.device_seconds);
  if (explanation.device_seconds > 0)
    text += fmt::format(" ({:.1f} %)", explanation.idle_device_seconds / explanation.device_seconds * 100);
  text += "\n";
  std::vector<const IdleSpan*> spans;
  for (const IdleSpan& span : explanation.idle) spans.push_back(&span);
  std::stable_sort(spans.begin(), spans.end(), [](const IdleSpan* a, const IdleSpan* b) {
    return a->device_seconds() > b->device_seconds();
  });
  Table table({{"devices"}, {"from", Align::kRight}, {"to", Align::kRight}, {"why"}});
  for (size_t i = 0; i < std::min(spans.size(), kMostSpans); ++i)
    table.add({fmt::format("{}:{}", spans[i]->node, fmt::join(spans[i]->devices, ",")),
               duration_text(spans[i]->from_seconds), duration_text(spans[i]->to_seconds),
               idle_reason(*spans[i])});
  if (!table.empty()) text += table.to_text(style);
  if (spans.size() > kMostSpans) text += fmt::format("and {} shorter ones\n", spans.size() - kMostSpans);
  return text;
}

std::string what_if_text(const Explanation& explanation, const Style& style) {
  Table table({{"with"}, {"the end", Align::kRight}, {""}});
  for (const WhatIf& what_if : explanation.what_ifs)
    table.add({what_if.what, makespan_text(what_if.consequence, explanation.makespan_seconds),
               certainty(what_if.consequence, explanation.makespan_seconds)});
  if (table.empty()) return "";
  return paint(style, Ink::kBold, "What more devices would give, in the configurations that were measured") +
         "\n" + table.to_text(style);
}

std::string configuration_table(const TaskExplanation& task, double planned, const Style& style) {
  Table table({{"configuration"},
               {"duration", Align::kRight},
               {"device-seconds", Align::kRight},
               {"the end then", Align::kRight},
               {""},
               {""}});
  for (const ConfigurationConsequence& it : task.configurations) {
    const Configuration& configuration = it.configuration;
    table.add({shape_text(configuration), duration_text(configuration.duration_seconds),
               fmt::format("{:.1f}", configuration.devices * configuration.duration_seconds),
               makespan_text(it.consequence, planned), certainty(it.consequence, planned),
               it.dominated_by.empty() ? "" : "no better than " + it.dominated_by});
  }
  return table.to_text(style);
}

std::string node_table(const TaskExplanation& task, double planned, const Style& style) {
  if (task.nodes.size() < 2) return "";
  Table table({{"node"}, {"the end then", Align::kRight}, {""}});
  for (const NodeConsequence& it : task.nodes)
    table.add({it.node, makespan_text(it.consequence, planned), certainty(it.consequence, planned)});
  return "\n" + table.to_text(style);
}

std::string one_task(const Explanation& explanation, const TaskExplanation& task, const Style& style) {
  const double planned = explanation.makespan_seconds;
  std::string text =
      paint(style, Ink::kBold, task.line.task) +
      fmt::format(": {}, {} to {}, {}\n", place_text(task.line), duration_text(task.line.start_seconds),
                  duration_text(task.line.end_seconds()), start_reason(task));
  text += task.critical ? "Whatever delays it delays the end of the plan.\n"
                        : fmt::format("It may end {} later without delaying the end of the plan.\n",
                                      duration_text(task.slack_seconds));
  if (task.without_pin)
    text += fmt::format("It is pinned; without the pin the plan would end at {}: {}.\n",
                        makespan_text(*task.without_pin, planned), certainty(*task.without_pin, planned));
  text += "\n" + configuration_table(task, planned, style) + node_table(task, planned, style);
  if (!task.not_available.empty()) text += "\nTried, but not available:\n";
  for (const std::string& why : task.not_available) text += "  " + why + "\n";
  return text;
}

}  // namespace

std::string explain_report(const Explanation& explanation, const Style& style) {
  if (explanation.tasks.size() == 1 && explanation.what_ifs.empty())
    return one_task(explanation, explanation.tasks.front(), style);
  std::string text;
  for (const std::string& part : {chain_text(explanation, style), task_lines(explanation, style),
                                  idle_text(explanation, style), what_if_text(explanation, style)}) {
    if (part.empty()) continue;
    text += (text.empty() ? "" : "\n") + part;
  }
  return text;
}

}  // namespace saturn
