// SPDX-License-Identifier: Apache-2.0
#include "replan/observed.h"

#include <algorithm>
#include <vector>

namespace saturn {
namespace {

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// How much slower than its profile the gang's steps were; 0: not observed, or not profiled.
double slowness_of(const RunSetup& setup, const Profile& profile, const std::optional<GangStarted>& gang,
                   double step_seconds) {
  if (!gang || step_seconds <= 0) return 0;
  const Measured* measured = measured_for(setup, profile, *gang);
  return measured == nullptr || measured->step_seconds <= 0 ? 0 : step_seconds / measured->step_seconds;
}

}  // namespace

const Measured* measured_for(const RunSetup& setup, const Profile& profile, const GangStarted& gang) {
  const TaskSpec* task = setup.task(gang.task);
  const Node* node = setup.node(gang.node);
  return task == nullptr || node == nullptr ? nullptr : measured_for(*task, node->kind, profile, gang);
}

const Measured* measured_for(const TaskSpec& task, const std::string& device_kind, const Profile& profile,
                             const GangStarted& gang) {
  const std::string signature = speed_signature(task);
  const auto devices = static_cast<std::int64_t>(device_count(gang));
  const std::int64_t nodes = node_count(gang);
  for (const Trial& trial : profile.trials) {
    const bool same = trial.signature == signature && trial.parallelism == gang.parallelism &&
                      trial.devices == devices && trial.device_kind == device_kind && trial.nodes == nodes &&
                      trial.knobs == gang.knobs;
    if (same && std::holds_alternative<Measured>(trial.outcome)) return &std::get<Measured>(trial.outcome);
  }
  const Trial* best = best_trial(profile, signature, gang.parallelism, devices, device_kind, nodes);
  return best == nullptr ? nullptr : &std::get<Measured>(best->outcome);
}

std::map<std::string, double> observed_slowness(const RunSetup& setup, const Profile& profile,
                                                const RunState& state) {
  std::map<std::string, double> own;
  std::map<std::string, std::vector<double>> by_signature;
  std::vector<double> all;
  for (const auto& [name, task] : state.tasks) {
    double slowness = slowness_of(setup, profile, task.gang, task.step_seconds);
    if (slowness <= 0) slowness = slowness_of(setup, profile, task.earlier_gang, task.earlier_step_seconds);
    if (slowness <= 0) continue;
    own[name] = slowness;
    by_signature[speed_signature(*setup.task(name))].push_back(own[name]);
    all.push_back(own[name]);
  }
  std::map<std::string, double> slowness;
  for (const TaskSpec& task : setup.tasks) {
    const auto same = by_signature.find(speed_signature(task));
    double& value = slowness[task.name] = all.empty() ? 1 : median(all);
    if (same != by_signature.end()) value = mean(same->second);
    if (own.contains(task.name)) value = own[task.name];
  }
  return slowness;
}

}  // namespace saturn
