// SPDX-License-Identifier: Apache-2.0
#include "report/profile_report.h"

#include <fmt/format.h>
#include <map>

#include "report/table.h"

namespace saturn {
namespace {

/// Signature -> "small + 3 like it".
std::map<std::string, std::string> class_names(const Profile& profile) {
  std::map<std::string, std::pair<std::string, int>> classes;
  for (const auto& entry : profile.tasks) {
    ++classes.emplace(entry.signature, std::make_pair(entry.task, 0)).first->second.second;
  }
  std::map<std::string, std::string> names;
  for (const auto& [signature, entry] : classes) {
    names[signature] =
        entry.second == 1 ? entry.first : fmt::format("{} + {} like it", entry.first, entry.second - 1);
  }
  return names;
}

bool same_key(const Trial& a, const Trial& b) {
  return a.signature == b.signature && a.parallelism == b.parallelism && a.device_kind == b.device_kind &&
         a.devices == b.devices && a.nodes == b.nodes;
}

/// Rows are ordered, the fastest candidate at the head of its key; one without a rival needs no praise.
bool beats_the_next(const std::vector<Trial>& trials, size_t i) {
  const bool first = i == 0 || !same_key(trials[i - 1], trials[i]);
  return first && i + 1 < trials.size() && same_key(trials[i], trials[i + 1]) &&
         std::holds_alternative<Measured>(trials[i + 1].outcome);
}

struct Result {
  std::string step = "-";
  std::string memory = "-";
  std::string word;
  std::string why;       ///< too long for a table
  std::string log_tail;  ///< of a failure
};

Result result_of(const Outcome& outcome, bool best) {
  struct Words {
    bool best;
    Result operator()(const Measured& m) const {
      const std::string word = best && m.unstable ? "best, unstable"
                               : best             ? "best"
                               : m.unstable       ? "unstable"
                                                  : "";
      return {fmt::format("{} ± {:.1f} %", to_text_duration(Seconds(m.step_seconds)), m.spread * 100),
              to_text_bytes(m.peak_memory_bytes), word, "", ""};
    }
    Result operator()(const OutOfMemory& o) const { return {.word = "out of memory", .why = o.message}; }
    Result operator()(const NotApplicable& n) const { return {.word = "not applicable", .why = n.why}; }
    Result operator()(const TrialFailed& f) const {
      return {.word = "failed", .why = f.why, .log_tail = f.log_tail};
    }
  };
  return std::visit(Words{best}, outcome);
}

/// "8"; across nodes "2 x 4": nodes and devices on each.
std::string devices_text(const Trial& trial) {
  return trial.nodes == 1 ? std::to_string(trial.devices)
                          : fmt::format("{} x {}", trial.nodes, trial.devices / trial.nodes);
}

void add_row(Table& table, std::vector<std::string> cells, const Outcome& outcome) {
  if (std::holds_alternative<Measured>(outcome)) return table.add(std::move(cells));
  table.add(std::move(cells), std::holds_alternative<TrialFailed>(outcome) ? Ink::kRed : Ink::kYellow);
}

/// "small, ddp, 2 devices: failed: rank 1 exited with code 3", then the log's tail.
std::string explanation(const Trial& trial, const std::string& task, const Result& result) {
  if (result.why.empty()) return "";
  const std::string knobs = trial.knobs.empty() ? "" : " " + to_text(trial.knobs);
  const std::string nodes = trial.nodes == 1 ? "" : fmt::format(" over {} nodes", trial.nodes);
  return fmt::format("{}, {}{}, {} device{}{}: {}: {}\n", task, trial.parallelism, knobs, trial.devices,
                     trial.devices == 1 ? "" : "s", nodes, result.word, one_line(result.why)) +
         indented(result.log_tail);
}

}  // namespace

std::string profile_table(const Profile& profile, const Style& style) {
  using Align = Table::Align;
  Table table({{"task"},
               {"parallelism"},
               {"devices", Align::kRight},
               {"kind"},
               {"knobs"},
               {"step", Align::kRight},
               {"memory", Align::kRight},
               {"result"}});
  const auto names = class_names(profile);
  std::string last, explanations;
  for (size_t i = 0; i < profile.trials.size(); ++i) {
    const Trial& trial = profile.trials[i];
    const auto name = names.find(trial.signature);
    // Rows of a signature that no task has any more stay readable.
    const std::string shown = name == names.end() ? trial.signature : name->second;
    const Result result = result_of(trial.outcome, beats_the_next(profile.trials, i));
    add_row(table,
            {shown == last ? "" : shown, trial.parallelism, devices_text(trial), trial.device_kind,
             to_text(trial.knobs), result.step, result.memory, result.word},
            trial.outcome);
    explanations += explanation(trial, shown, result);
    last = shown;
  }
  if (table.empty()) return "nothing is measured yet\n";
  return table.to_text(style) + explanations + "measured on " + profile.hardware + "\n";
}

}  // namespace saturn
