// SPDX-License-Identifier: Apache-2.0
#include "plan_elsewhere.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "cluster/cluster_shape.h"
#include "output.h"
#include "planning.h"
#include "profile/reuse.h"
#include "report/table.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// Of what was never measured, so many lines are shown.
constexpr std::size_t kMostGaps = 10;

std::vector<Profile> profiles_at_hand(const PlanCommand& command, const Session& session) {
  std::vector<std::string> files = command.profiles;
  if (files.empty()) files.push_back(session.directory.profile_file().string());
  std::vector<Profile> profiles;
  std::vector<Diagnostic> errors;
  for (const std::string& file : files) {
    if (fs::exists(file)) {
      profiles.push_back(read_profile(file));
    } else {
      errors.push_back(
          {file, 0, 0,
           fmt::format("there is no such profile: `saturn profile {}` measures on this machine or "
                       "allocation and writes one (--output says where)",
                       command.workload),
           ""});
    }
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  return profiles;
}

void say_gaps(const std::vector<std::string>& gaps) {
  for (std::size_t i = 0; i < std::min(gaps.size(), kMostGaps); ++i)
    say(fmt::format("never measured, so not planned with: {}", gaps[i]));
  if (gaps.size() > kMostGaps) say(fmt::format("... and {} more", gaps.size() - kMostGaps));
}

}  // namespace

std::vector<Cluster> clusters_asked_for(const PlanCommand& command) {
  std::vector<Cluster> clusters;
  std::vector<Diagnostic> errors;
  for (const std::string& shape : command.clusters) {
    auto parsed = parse_cluster_shape(shape);
    if (const auto* problem = std::get_if<std::string>(&parsed))
      errors.push_back({"", 0, 0, "--cluster: " + *problem, ""});
    else
      clusters.push_back(std::get<Cluster>(std::move(parsed)));
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  return clusters;
}

std::vector<PlanElsewhere> plans_elsewhere(const PlanCommand& command, const Session& session,
                                           InterruptGuard& interrupts) {
  const std::vector<Cluster> clusters = clusters_asked_for(command);
  const std::vector<Profile> profiles = profiles_at_hand(command, session);
  std::vector<PlanElsewhere> plans;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    PlanElsewhere made{command.clusters[i], session, {}, {}};
    made.session.cluster = with_measured_kinds(clusters[i], profiles);
    const TrialPlan trials =
        plan_trials(session.workload, session.manifests, made.session.cluster, session.machine);
    ReusedProfile reused = reuse(trials, profiles);
    if (clusters.size() > 1) say(made.shape + ":");
    say_gaps(reused.gaps);
    made.profile = std::move(reused.profile);
    made.plan = plan_only(made.session, made.profile, interrupts);
    plans.push_back(std::move(made));
  }
  return plans;
}

std::string comparison_table(const std::vector<PlanElsewhere>& plans) {
  using Align = Table::Align;
  Table table({{"cluster"},
               {"devices", Align::kRight},
               {"makespan", Align::kRight},
               {"lower bound", Align::kRight},
               {"device time held", Align::kRight},
               {"used", Align::kRight}});
  for (const PlanElsewhere& made : plans) {
    const int devices = made.session.cluster.device_count();
    const double held = devices * made.plan.makespan_seconds;
    double used = 0;
    for (const Assignment& line : made.plan.assignments)
      used += static_cast<double>(device_count(line)) * line.duration_seconds;
    table.add({made.shape, std::to_string(devices), to_text_duration(Seconds(made.plan.makespan_seconds)),
               to_text_duration(Seconds(made.plan.lower_bound_seconds)), to_text_duration(Seconds(held)),
               held > 0 ? fmt::format("{:.0f} %", 100 * used / held) : ""});
  }
  return table.to_text(style_of(STDOUT_FILENO));
}

}  // namespace saturn
