// SPDX-License-Identifier: Apache-2.0
#include "follow.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "output.h"
#include "report/live_view.h"
#include "report/progress.h"
#include "report/run_report.h"
#include "report/standing_lines.h"
#include "run/journal.h"
#include "stages.h"
#include "summary.h"

namespace saturn {
namespace {

constexpr Seconds kPoll{0.2};
/// Asking for the lock takes it for a moment: not too often.
constexpr Seconds kAskForLock{1};

void show_on_stdout(std::string_view text) {
  print(text);
}

/// A run as its directory tells of it.
class FollowedRun {
 public:
  explicit FollowedRun(const RunDirectory& directory)
      : directory_(directory), reader_(directory.journal_file()) {}

  /// Takes in what is new in the journal; whether there was anything.
  bool look();
  /// Whether something has happened since this was asked last.
  bool take_news() { return std::exchange(news_, false); }
  /// As of now: with the steps since the last records.
  LiveRun live();
  RunSummary summary() const {
    return summarize(directory_, identity_.tasks, state_, accountant_.accounts());
  }
  /// Whether it has come to an end; what a killed run left is taken for ended.
  bool ended();
  bool begun() const { return state_.sessions > 0; }
  bool killed() const { return killed_; }

 private:
  void take(const Record& record);
  bool in_use_now();
  void add_steps(const std::string& name, TaskState& task) const;

  RunDirectory directory_;
  JournalReader reader_;
  RunIdentity identity_;
  Plan plan_;
  RunState state_;
  RunState live_state_;
  Accountant accountant_;
  std::map<std::string, int> devices_;
  SteadyClock clock_;
  Seconds heard_at_{0};
  std::optional<Seconds> asked_at_;
  bool in_use_ = true;
  bool news_ = false;
  bool saw_the_end_ = false;
  bool killed_ = false;
};

void FollowedRun::take(const Record& record) {
  news_ = true;
  apply(state_, record);
  accountant_.apply(record);
  if (const auto* session = std::get_if<SessionStarted>(&record)) devices_ = session->devices;
  if (const auto* back = std::get_if<DevicesCameBack>(&record)) {
    for (const int device : back->devices) devices_[back->node] = std::max(devices_[back->node], device + 1);
  }
}

bool FollowedRun::look() {
  const bool first = !begun();
  const std::vector<Record> records = reader_.more();
  if (records.empty()) return false;
  bool other_plan = false;
  for (const Record& record : records) {
    take(record);
    other_plan = other_plan || std::holds_alternative<PlanAdopted>(record) ||
                 std::holds_alternative<SessionStarted>(record);
  }
  heard_at_ = clock_.now();
  if (other_plan || first) {
    identity_ = read_run_identity(directory_);
    plan_ = read_plan(directory_.plan_file());
  }
  // What had ended before the watching began may be gone on with by now.
  saw_the_end_ = !first && !state_.ended.empty();
  return true;
}

bool FollowedRun::in_use_now() {
  if (!asked_at_ || clock_.now() - *asked_at_ >= kAskForLock) {
    in_use_ = in_use(directory_);
    asked_at_ = clock_.now();
  }
  return in_use_;
}

bool FollowedRun::ended() {
  if (saw_the_end_) return true;
  if (in_use_now() || look()) return false;  // its last words may have come between the two
  if (begun() && state_.ended.empty()) {
    killed_ = true;
    take(SessionStarted{});  // what a new session would find: nothing runs any more
  }
  return true;
}

/// The journal tells of checkpoints; a task's metrics tell of every step.
void FollowedRun::add_steps(const std::string& name, TaskState& task) const {
  const std::string line = tail_of_file(directory_.task_directory(name) / "metrics.jsonl", 1);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return;
  const auto step = json.find("step");
  if (step != json.end() && step->is_number_integer())
    task.live_step = std::max(task.live_step, step->get<std::int64_t>());
  const auto seconds = json.find("step_seconds");
  if (task.step_seconds <= 0 && seconds != json.end() && seconds->is_number())
    task.step_seconds = seconds->get<double>();
}

LiveRun FollowedRun::live() {
  live_state_ = state_;
  for (auto& [name, task] : live_state_.tasks)
    if (task.phase == TaskState::Phase::kTraining) add_steps(name, task);
  return {identity_.tasks, live_state_, plan_, devices_,
          state_.session_seconds + (clock_.now() - heard_at_).count()};
}

class FollowView {
 public:
  virtual ~FollowView() = default;
  virtual void show(FollowedRun& run) = 0;
  virtual void end(FollowedRun& run) = 0;
};

class JsonView final : public FollowView {
 public:
  void show(FollowedRun& run) override {
    if (run.take_news()) print(to_json(run.summary()).dump() + "\n");
  }
  void end(FollowedRun&) override {}
};

class TextView final : public FollowView {
 public:
  void show(FollowedRun& run) override {
    const LiveRun live = run.live();
    if (terminal_) {
      lines_.draw(live_view(live, style_of(STDOUT_FILENO), height_of(STDOUT_FILENO)));
    } else {
      progress_.update(fraction_done(live), live_line(live));
    }
  }
  void end(FollowedRun& run) override {
    lines_.finish();
    const RunSummary summary = run.summary();
    const Style style = style_of(STDOUT_FILENO);
    print(task_table(summary, style) + "\n" + run_report(summary, style));
  }

 private:
  const bool terminal_ = is_terminal(STDOUT_FILENO);
  SteadyClock clock_;
  StandingLines lines_{show_on_stdout};
  Progress progress_{clock_, show_on_stdout, {}};
};

/// Until the signal: the run's first record may take as long as the profiling and the planning before it.
bool wait_for_begin(const RunDirectory& directory, FollowedRun& run, const InterruptGuard& interrupts) {
  bool told = false;
  while (!run.look()) {
    if (interrupts.requested()) return false;
    if (run.ended() && !run.begun()) {
      require_run_directory(directory.path);
      throw InputError(
          fmt::format("the run in {} has not begun: `saturn run` begins it", directory.path.string()));
    }
    if (run.begun()) return true;
    if (!std::exchange(told, true)) say("the run has not begun to train yet; waiting for it");
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace

int follow_run(const RunDirectory& directory, bool json, const InterruptGuard& interrupts) {
  FollowedRun run(directory);
  if (!wait_for_begin(directory, run, interrupts)) return interrupts.exit_code();
  std::unique_ptr<FollowView> view;
  if (json) {
    view = std::make_unique<JsonView>();
  } else {
    view = std::make_unique<TextView>();
  }
  while (!run.ended()) {
    if (interrupts.requested()) return interrupts.exit_code();
    view->show(run);
    std::this_thread::sleep_for(kPoll);
    run.look();
  }
  view->show(run);
  view->end(run);
  if (run.killed())
    say(fmt::format("the process that worked on {} is gone without a word: `saturn run` goes on with it",
                    directory.path.string()));
  return 0;
}

}  // namespace saturn
