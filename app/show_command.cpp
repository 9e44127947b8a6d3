// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "commands.h"
#include "follow.h"
#include "output.h"
#include "report/history_report.h"
#include "report/plan_report.h"
#include "report/profile_report.h"
#include "report/run_report.h"
#include "report/time_report.h"
#include "run/journal.h"
#include "stages.h"
#include "summary.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHappenings = 30;  // shown; --json has all

std::string show_run(const RunDirectory& directory, bool json) {
  require_run_directory(directory.path);
  const RunIdentity identity = read_run_identity(directory);
  std::vector<Record> records = read_journal(directory.journal_file());
  const bool was_killed = replay(records).ended.empty() && !in_use(directory);
  if (was_killed)
    records.push_back(SessionStarted{});  // what a new session would find: nothing runs any more
  const RunSummary summary = summarize(directory, identity.tasks, replay(records), account(records));
  const std::vector<Happening> happenings = what_happened(records);
  if (json) {
    nlohmann::ordered_json result = to_json(summary);
    for (const Happening& what : happenings)
      result["happenings"].push_back({{"at_seconds", what.at_seconds}, {"text", what.text}});
    return result.dump(2) + "\n";
  }
  const Style style = style_of(STDOUT_FILENO);
  std::string text = task_table(summary, style) + "\n" + task_time_table(summary, style) + "\n";
  if (!happenings.empty()) text += history_table(happenings, kHappenings, style) + "\n";
  return text + run_report(summary, style);
}

std::string show_file(const fs::path& file, bool json) {
  const Document document = read_json(file.string());
  const Value* schema = document.root.find("schema");
  const std::string name = schema == nullptr ? "" : schema->scalar;
  const Style style = style_of(STDOUT_FILENO);
  if (name == "saturn.profile/1") {
    const Profile profile = read_profile(file);
    return json ? to_json(profile).dump(2) + "\n" : profile_table(profile, style);
  }
  if (name == "saturn.plan/1") {
    const Plan plan = read_plan(file);
    return json ? to_text(plan) : plan_table(plan, style) + "\n" + plan_summary(plan);
  }
  throw InputError(
      {{file.string(), 1, 1,
        "this is neither a profile nor a plan (\"schema\": \"saturn.profile/1\" or \"saturn.plan/1\")", ""}});
}

}  // namespace

int run_show(const ShowCommand& command, const CommonOptions& options, const InterruptGuard& interrupts) {
  const fs::path target = command.target;
  if (!fs::exists(target)) throw SystemError("show", command.target, "there is no such file or directory");
  if (command.follow && !fs::is_directory(target))
    throw InputError(fmt::format("--follow: {} is no run directory", command.target));
  if (command.follow) return follow_run({target}, options.json, interrupts);
  print(fs::is_directory(target) ? show_run({target}, options.json) : show_file(target, options.json));
  return 0;
}

}  // namespace saturn
