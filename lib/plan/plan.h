// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/document.h"
#include "cluster/cluster.h"
#include "cluster/node_devices.h"
#include "plan/problem.h"
#include "workload/knobs.h"
#include "workload/objective.h"

namespace saturn {

/// Times of a plan that differ by less are the same: plans count in milliseconds.
constexpr double kSameTime = 1.001e-3;

/// Which parts of a line every later solve keeps.
struct PinnedParts {
  bool configuration = false;  ///< parallelism, knobs and number of devices
  bool node = false;
  bool devices = false;  ///< and the node
  bool start = false;
  bool order = false;  ///< its place among the lines pinned to start or order with which it shares a device

  static constexpr PinnedParts whole() { return {true, true, true, true, false}; }
  static constexpr PinnedParts but_for_start() { return {true, true, true, false, true}; }
  bool any() const { return configuration || node || devices || start || order; }
  bool operator==(const PinnedParts&) const = default;
};

/// Those parts that can be pinned one by one: "configuration", "node" (where devices are not), "devices".
std::vector<std::string> single_parts(const PinnedParts& pinned);

/// One line of a plan: where, how and when a task runs. Times are seconds from the start of the run.
struct Assignment {
  std::string task;
  std::string parallelism;
  Knobs knobs;
  std::string node;
  std::vector<int> devices;  ///< indices within the node, ascending
  double start_seconds = 0;
  double duration_seconds = 0;
  PinnedParts pinned;
  /// It is not expected to end within the budget: it comes after those that are, and uses what they leave.
  bool beyond_budget = false;
  Mark mark;                   ///< where the file says it
  bool knobs_known = true;     ///< false: the file leaves knobs out; `complete` fills them in
  bool start_known = true;     ///< false: the file leaves start_seconds out; `complete` finds it
  bool duration_known = true;  ///< false: the file leaves duration_seconds out; `complete` fills it in
  /// Of a gang across nodes: its parts on others than `node`, as many devices on each; in the order of ranks.
  std::vector<NodeDevices> further{};

  double end_seconds() const { return start_seconds + duration_seconds; }
};

struct Plan {
  std::string file;           ///< that it was read from; empty = made by the planner. Not part of the JSON.
  std::string workload_file;  ///< absolute
  std::string workload_hash;
  std::string profile_hash;
  std::string cluster_hash;
  std::string method;                   ///< what found the assignments
  std::string bound_method;             ///< what proved the lower bound
  std::string bound_pins;               ///< `pins_hash` of the pins that the bound holds for; empty = any
  std::vector<Assignment> assignments;  ///< ordered by start, then node, then first device
  double makespan_seconds = 0;
  double lower_bound_seconds = 0;  ///< no plan for the same profile and pins ends earlier
  Objective objective{};
  /// Of another objective than the makespan: no plan for the same profile and pins is below it (a mean end
  /// in seconds, or device-seconds of those that meet the deadline); 0 = nothing is proven.
  double objective_bound = 0;
  double gap = 0;  ///< (value - bound) / value of the objective; of the makespan when a deadline is missed
  double baseline_seconds = 0;  ///< "a whole node each, one after another"
  Budget budget{};              ///< that it was made for
  bool stopped = false;         ///< a signal ended the search: the next one goes on from here
};

/// Whether the last task ends by the deadline; true without one.
bool meets_deadline(const Plan& plan);
/// What the objective makes least: seconds, or device-seconds for a deadline. By the lines.
double objective_value(const Plan& plan);
/// No plan has less: `lower_bound_seconds` or `objective_bound`.
double objective_bound(const Plan& plan);
/// The gap, from value and bound; of the makespan when a deadline is missed.
double gap_of(const Plan& plan);
/// "n0:0,1"; across nodes "n0:0,1 n1:0,1".
std::string where_text(const Assignment& line);
/// Of all lines: devices times duration.
double device_seconds(const Plan& plan);
/// When a task ends, on average; 0 without tasks.
double mean_completion_seconds(const Plan& plan);

/// By start, then node, then first device.
void sort_assignments(Plan& plan);

/// A line of plan.json.
nlohmann::ordered_json to_json(const Assignment& assignment);
nlohmann::ordered_json to_json(const Plan& plan);
/// Per line: those lines above, pinned to start or order, that it is to stay behind, because one of the two
/// is pinned to its order and they share a device. Of each device only the nearest; indices. Empty for lines
/// that are pinned to neither.
std::vector<std::vector<size_t>> pinned_order(const Plan& plan);
/// Marks the lines of `plan` as pinned as those of `before` are.
void keep_marks(const Plan& before, Plan& plan);
/// Hash of the pinned lines and of their order where that is pinned; empty when there are none.
std::string pins_hash(const Plan& plan);
/// The JSON as it stands in plan.json: one line per task, so that lines can be edited, moved and deleted by
/// hand.
std::string to_text(const Plan& plan);
/// Errors: InputError with every place; SystemError.
Plan read_plan(const std::filesystem::path& file);
/// The same from a text already read.
Plan parse_plan(const std::string& file, const std::string& text);

/// Which of the task's configurations the assignment means, on as many nodes and devices of that kind (any
/// knobs when it leaves them out); empty: none.
std::optional<int> configuration_of(const ProblemTask& task, const Assignment& assignment,
                                    const std::string& kind);

/// Whether the line leaves the gang that its task has already (ProblemTask::running) as it is: in its
/// configuration, on its nodes and devices, from time 0 on, for what is left of it.
bool stays(const Problem& problem, const Assignment& line);

/// What `complete` has changed.
struct Completion {
  bool filled_in = false;            ///< something that the file leaves out
  std::vector<std::string> retimed;  ///< "plan.json:9: task 'b': start_seconds 3 s -> 5 s, ...": was wrong

  bool changed() const { return filled_in || !retimed.empty(); }
};

/// Makes an edited plan whole: knobs and durations are those of the problem's configurations, or of a gang
/// that runs already where nothing keeps it from staying as it is; starts follow
/// from the order of the lines, each as early as the lines above it leave its devices (as a run does it); a
/// pinned line keeps the start that it has. Then makespan and gap; a lower bound that is
/// over the makespan, or was found for other pins than those of the plan, is dropped. The lines keep their
/// order. What cannot be filled in (an unknown configuration) stays for check_plan to report.
Completion complete(const Problem& problem, Plan& plan);

/// Everything that is wrong with the plan as a solution of the problem, each with the line of the
/// assignment's mark: unknown tasks, nodes, devices, configurations; tasks missing or twice; devices used
/// twice at once; parts of a gang on one node, on nodes of several kinds or of different numbers of devices;
/// wrong durations or makespan; a bound above the makespan. Independent of all solver code. Empty = valid.
std::vector<Diagnostic> check_plan(const Problem& problem, const Plan& plan);

}  // namespace saturn
