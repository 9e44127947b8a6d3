// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <unistd.h>

#include "base/error.h"
#include "commands.h"
#include "output.h"
#include "report/gantt.h"
#include "report/plan_report.h"
#include "report/style.h"
#include "run/journal.h"
#include "run/state.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

std::string plan_text(const Plan& plan, const Cluster& cluster) {
  const Style style = style_of(STDOUT_FILENO);
  return plan_table(plan, style) + "\n" + gantt(gantt_rows(plan, cluster), style) + "\n" + plan_summary(plan);
}

Plan checked_plan(const Session& session, const Profile& profile, const std::string& file) {
  Plan plan = read_plan(file);
  const std::vector<std::string> reasons = staleness(session, profile, plan);
  std::vector<Diagnostic> errors;
  for (const std::string& reason : reasons) {
    errors.push_back({file, 0, 0, fmt::format("the plan is stale: {} since it was made", reason), ""});
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  const Problem problem = problem_of(session, profile);
  complete(problem, plan);
  require_valid(session, problem, plan);
  return plan;
}

/// A run that has begun keeps its plan: `replan` changes it.
void refuse_begun(const Session& session) {
  if (!fs::exists(session.directory.journal_file())) return;
  if (replay(read_journal(session.directory.journal_file())).sessions == 0) return;
  throw InputError(
      fmt::format("the run in {} has begun: `saturn replan {}` plans what is left of it; for a new "
                  "run name another directory (run.directory in the workload)",
                  session.directory.path.string(), session.directory.path.string()));
}

}  // namespace

int run_plan(const PlanCommand& command, const CommonOptions& options, InterruptGuard& interrupts) {
  const Session session = open_session(command.workload, options);
  const Profile profile = make_profile(session, options, {session.directory.profile_file()}, interrupts);
  Plan plan;
  if (!command.check.empty()) {
    plan = checked_plan(session, profile, command.check);
  } else {
    const fs::path file = command.output.empty() ? session.directory.plan_file() : fs::path(command.output);
    std::optional<RunLock> lock;
    if (fs::absolute(file).lexically_normal() == session.directory.plan_file()) {
      lock.emplace(session.directory);
      refuse_begun(session);
    }
    plan = make_plan(session, profile, {file, command.force}, interrupts);
    say("plan: " + file.string());
  }
  print(options.json ? to_text(plan) : plan_text(plan, session.cluster));
  return 0;
}

}  // namespace saturn
