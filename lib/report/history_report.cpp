// SPDX-License-Identifier: Apache-2.0
#include "report/history_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/duration.h"
#include "report/table.h"

namespace saturn {
namespace {

std::string plural(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string names(const char* what, const std::vector<std::string>& tasks) {
  return tasks.empty() ? "" : fmt::format("{} '{}'", what, fmt::join(tasks, "', '"));
}

std::string devices(const std::string& node, const std::vector<int>& which) {
  return fmt::format("device{} {} of {}", which.size() == 1 ? "" : "s", fmt::join(which, ", "), node);
}

class Teller {
 public:
  void tell(const Record& record) {
    std::visit(
        [&](const auto& r) {
          if constexpr (requires { r.at; }) now_ = std::max(now_, begin_ + r.at);
          add(text(r));
        },
        record);
  }
  std::vector<Happening> take() { return std::move(told_); }

 private:
  void add(std::string text) {
    if (!text.empty()) told_.push_back({now_, std::move(text)});
  }

  std::string text(const SessionStarted&) {
    begin_ = now_;
    const bool first = sessions_++ == 0;
    const bool was_killed = !std::exchange(ended_, false) && !first;
    plans_ = first ? 0 : 1;
    if (first) return "";
    return was_killed ? "the supervisor was killed, and its gangs with it" : "the run went on";
  }
  std::string text(const SessionEnded& r) {
    ended_ = true;
    return r.why == "done" || r.why == "done, with failures" ? "" : r.why;
  }
  std::string text(const PlanAdopted& r) {
    if (plans_++ == 0) return "";  // the first
    const std::string after = duration_text(r.remaining_seconds_after);
    if (r.remaining_seconds_before <= 0) return fmt::format("another plan ({}): {} left", r.reason, after);
    return fmt::format("a better plan ({}): {} left instead of {}", r.reason, after,
                       duration_text(r.remaining_seconds_before));
  }
  std::string text(const GangEnded& r) {
    return r.failure ? fmt::format("task '{}' broke off: {}", r.task, r.why) : "";
  }
  std::string text(const ConfigurationRuledOut& r) {
    return fmt::format("task '{}' is not run by {} on {}{} any more", r.task, r.parallelism,
                       plural(static_cast<std::size_t>(r.devices), "device"), across_text(r.nodes));
  }
  std::string text(const TaskFinished& r) {
    return r.why.empty() ? ""
                         : fmt::format("task '{}' finished early at step {} of {}: {}", r.task, r.step,
                                       r.of_steps, r.why);
  }
  std::string text(const TaskFailed& r) { return fmt::format("task '{}' was given up: {}", r.task, r.why); }
  std::string text(const TaskReopened& r) { return fmt::format("task '{}' was taken up again", r.task); }
  std::string text(const TasksChanged& r) {
    std::vector<std::string> parts;
    for (std::string part :
         {names("added", r.added), names("dropped", r.dropped), names("changed", r.changed)})
      if (!part.empty()) parts.push_back(std::move(part));
    return fmt::format("tasks: {}", fmt::join(parts, "; "));
  }
  std::string text(const DevicesWentAway& r) {
    return fmt::format("lost {}: {}", devices(r.node, r.devices), r.why);
  }
  std::string text(const DevicesCameBack& r) {
    return fmt::format("{} can be used again", devices(r.node, r.devices));
  }
  std::string text(const MeasuringStarted& r) {
    return fmt::format("tasks that came in are measured on {}", devices(r.node, r.devices));
  }
  std::string text(const MeasuringEnded& r) { return fmt::format("measuring has ended: {}", r.why); }
  template <typename Other>
  std::string text(const Other&) {
    return "";
  }

  double begin_ = 0;  ///< of the session
  double now_ = 0;
  int sessions_ = 0;
  int plans_ = 0;
  bool ended_ = false;
  std::vector<Happening> told_;
};

}  // namespace

std::vector<Happening> what_happened(const std::vector<Record>& records) {
  Teller teller;
  for (const Record& record : records) teller.tell(record);
  return teller.take();
}

std::string history_table(const std::vector<Happening>& happenings, std::size_t most, const Style& style) {
  if (happenings.empty()) return "";
  Table table({{"at", Table::Align::kRight}, {"what happened"}});
  const std::size_t left_out = happenings.size() > most ? happenings.size() - most : 0;
  if (left_out > 0) table.add({"", fmt::format("({} before that)", left_out)});
  for (std::size_t i = left_out; i < happenings.size(); ++i)
    table.add({duration_text(happenings[i].at_seconds), happenings[i].text});
  return table.to_text(style);
}

}  // namespace saturn
