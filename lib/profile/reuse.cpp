// SPDX-License-Identifier: Apache-2.0
#include "profile/reuse.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "cluster/gpu.h"

namespace saturn {
namespace {

std::set<std::string> kinds_of(const std::vector<Profile>& profiles) {
  std::set<std::string> kinds;
  for (const Profile& profile : profiles)
    for (const Trial& trial : profile.trials) kinds.insert(trial.device_kind);
  return kinds;
}

using RowKey = std::tuple<std::string, std::string, std::string, std::int64_t, std::int64_t>;

RowKey row_key(const Trial& trial) {
  return {trial.signature, trial.parallelism, trial.device_kind, trial.devices, trial.nodes};
}

/// Rows by their key, in their order; those of earlier profiles count.
std::map<RowKey, std::vector<Trial>> rows_of(const std::vector<Profile>& profiles) {
  std::map<RowKey, std::vector<Trial>> rows;
  for (const Profile& profile : profiles) {
    std::map<RowKey, std::vector<Trial>> own;
    for (const Trial& trial : profile.trials) own[row_key(trial)].push_back(trial);
    rows.merge(own);
  }
  return rows;
}

/// By parallelism and kind: which device counts lack rows, and of which signatures.
using Gaps =
    std::map<std::pair<std::string, std::string>, std::pair<std::set<std::int64_t>, std::set<std::string>>>;

std::vector<std::string> texts(const Gaps& gaps) {
  std::vector<std::string> lines;
  for (const auto& [what, missing] : gaps) {
    const auto& [counts, signatures] = missing;
    lines.push_back(fmt::format("{} on {} x {} ({} kind{} of task)", what.first, fmt::join(counts, ", "),
                                what.second, signatures.size(), signatures.size() == 1 ? "" : "s"));
  }
  return lines;
}

void require_every_task(const std::vector<Profile::TaskEntry>& tasks, const std::set<std::string>& measured) {
  std::vector<Diagnostic> errors;
  for (const Profile::TaskEntry& entry : tasks) {
    if (measured.contains(entry.signature)) continue;
    errors.push_back(
        {"", 0, 0,
         fmt::format("task '{}' was measured on no kind of device of the cluster; `saturn profile` "
                     "measures it where there is one",
                     entry.task),
         ""});
  }
  if (!errors.empty()) throw InputError(std::move(errors));
}

}  // namespace

Cluster with_measured_kinds(Cluster cluster, const std::vector<Profile>& profiles) {
  const std::set<std::string> measured = kinds_of(profiles);
  std::map<std::string, std::string> names;  // by the kind as it was asked for
  std::vector<Diagnostic> errors;
  for (Node& node : cluster.nodes) {
    const auto [entry, is_new] = names.emplace(node.kind, node.kind);
    if (is_new && !measured.contains(node.kind)) {
      std::vector<std::string> covered;
      for (const std::string& kind : measured)
        if (!is_cpu_kind(kind) && kind_covers(node.kind, kind)) covered.push_back(kind);
      if (covered.size() == 1) {
        entry->second = covered.front();
      } else if (covered.empty()) {
        errors.push_back(
            {"", 0, 0,
             fmt::format("nothing was measured on '{}' (only on {}): run `saturn profile` on a machine or in "
                         "an allocation with one, and name its profile by --profile",
                         node.kind,
                         measured.empty() ? "nothing" : fmt::format("{}", fmt::join(measured, ", "))),
             ""});
      } else {
        errors.push_back(
            {"", 0, 0, fmt::format("'{}' may be {}: say which", node.kind, fmt::join(covered, " or ")), ""});
      }
    }
    node.kind = entry->second;
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  return cluster;
}

ReusedProfile reuse(const TrialPlan& wanted, const std::vector<Profile>& profiles) {
  const std::map<RowKey, std::vector<Trial>> rows = rows_of(profiles);
  ReusedProfile reused;
  reused.profile.hardware = wanted.hardware;
  reused.profile.tasks = wanted.tasks;
  std::set<std::string> measured;
  Gaps gaps;
  for (const PlannedTrial& trial : wanted.trials) {
    const auto found =
        rows.find({trial.signature, trial.parallelism.name, trial.device_kind, trial.devices, trial.nodes});
    if (found == rows.end()) {
      auto& [counts, signatures] = gaps[{trial.parallelism.name, trial.device_kind}];
      counts.insert(trial.devices);
      signatures.insert(trial.signature);
      continue;
    }
    measured.insert(trial.signature);
    reused.profile.trials.insert(reused.profile.trials.end(), found->second.begin(), found->second.end());
  }
  require_every_task(wanted.tasks, measured);
  order_trials(reused.profile.trials);
  reused.gaps = texts(gaps);
  return reused;
}

}  // namespace saturn
