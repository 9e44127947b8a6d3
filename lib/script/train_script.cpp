// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "launch/early_stop.h"
#include "script/rank_setup.h"
#include "script/step_times.h"

namespace saturn {
namespace {

constexpr double kEventEverySeconds = 0.5;
constexpr Seconds kTick{1};

/// One start of the script, from its checkpoint to its end.
class ScriptTraining {
 public:
  ScriptTraining(const RankSetup& setup, SavedCheckpoint from)
      : setup_(setup),
        job_(setup.job),
        saved_(std::move(from)),
        checkpoints_(job_.directory, job_.keep_checkpoints),
        metrics_(job_.directory / "metrics.jsonl", saved_.step),
        script_(setup.script(job_, job_.knobs, saved_), setup.clock),
        clock_(script_.started_at()),
        early_stop_(job_, metrics_.validations(), script_.started_at()),
        step_(saved_.step) {}

  int run() {
    while (!script_.ended()) {
      for (const HeardNews& heard : script_.wait(kTick, setup_.stop_signals))
        std::visit([&](const auto& news) { hear(news, heard.at); }, heard.news);
      if (!not_finite_.empty()) return give_up({Failed::Reason::kNotFinite, not_finite_});
      if (setup_.stop_asked()) stop();
      apply_rule();
    }
    return end();
  }

 private:
  void hear(const ScriptLength&, double) {}
  void hear(const ScriptStep& step, double at);
  void hear(const ScriptValidated& validated, double at);
  void hear(const ScriptCheckpoint& checkpoint, double at);
  void hear(const ScriptFinished& finished, double) {
    finished_ = true;
    weights_ = finished.weights;
  }
  void report(double loss, double at);
  void stop();
  void apply_rule();
  int end();
  int end_early(bool went_well);
  int give_up(const Failed& failed) const {
    setup_.write(failed);
    return 1;
  }
  bool is_last(std::int64_t step) const { return job_.task.steps > 0 && step >= job_.task.steps; }
  std::string whereabouts() const {
    return clock_.reported() ? fmt::format("after step {}", step_) : "before its first step";
  }
  /// It may be damaged: the next start tries the one before.
  void suspect_checkpoint() {
    if (clock_.reported() || saved_.path.empty()) return;
    checkpoints_.note_failed_start(saved_);
    const std::int64_t next = checkpoints_.latest().step;
    setup_.write(CheckpointSkipped{fmt::format(
        "the script did not get over its checkpoint of step {}; the next start goes on from step {}",
        saved_.step, next)});
  }
  static void note(const std::string& text) { (void)write_all(STDERR_FILENO, "saturn: " + text + "\n"); }

  const RankSetup& setup_;
  const Job& job_;
  SavedCheckpoint saved_;  ///< the last one
  ScriptCheckpoints checkpoints_;
  ScriptMetrics metrics_;
  Script script_;
  StepClock clock_;
  EarlyStop early_stop_;
  std::string early_;    ///< why the rule has ended it; empty: it has not
  double ended_at_ = 0;  ///< when it did
  std::int64_t step_;
  double reported_at_ = 0, unreported_seconds_ = 0;
  std::int64_t unreported_steps_ = 0;
  bool stopping_ = false, saved_since_ = false, finished_ = false, back_noted_ = false;
  std::string weights_, not_finite_;
};

void ScriptTraining::hear(const ScriptStep& step, double at) {
  const auto interval = clock_.step(step.step, at);
  if (clock_.went_back() && !std::exchange(back_noted_, true))
    note(fmt::format(
        "the step's number does not rise ({} after {}); number the steps through the whole training",
        step.step, step_));
  step_ = std::max(step_, step.step);
  const double loss = step.loss.value_or(metrics_.last_loss());
  if (step.loss && !std::isfinite(*step.loss)) {
    not_finite_ = fmt::format(
        "the loss of step {} is no finite number (the last finite loss was {:.4g}); the checkpoint of step "
        "{} "
        "is the last",
        step.step, metrics_.last_loss(), saved_.step);
    script_.kill();
  }
  metrics_.add(step.step, step.loss, interval ? interval->step_seconds : 0, step.values);
  if (interval) {
    unreported_seconds_ += interval->step_seconds * static_cast<double>(interval->steps);
    unreported_steps_ += interval->steps;
  }
  report(loss, at);
}

void ScriptTraining::report(double loss, double at) {
  if (reported_at_ > 0 && at - reported_at_ < kEventEverySeconds) return;
  const auto steps = static_cast<double>(unreported_steps_);
  setup_.write(StepDone{step_, loss, steps > 0 ? unreported_seconds_ / steps : 0});  // 0: not known
  reported_at_ = at;
  unreported_seconds_ = 0;
  unreported_steps_ = 0;
}

void ScriptTraining::hear(const ScriptValidated& validated, double at) {
  const std::int64_t step = validated.step.value_or(step_);
  metrics_.add_validation(step, validated.loss);
  early_stop_.add({step, validated.loss});
  setup_.write(Validated{step, validated.loss, clock_.other(at)});
}

void ScriptTraining::hear(const ScriptCheckpoint& checkpoint, double at) {
  const std::int64_t step = checkpoint.step.value_or(step_);
  const double seconds = clock_.other(at);
  try {
    checkpoints_.add(step, checkpoint.path);
  } catch (const SystemError& error) {
    return setup_.write(CheckpointFailed{step, error.what()});
  }
  const SavedCheckpoint latest = checkpoints_.latest();
  if (latest.step != step || latest.path.empty())
    return setup_.write(
        CheckpointFailed{step, fmt::format("the script names {}, which is not there", checkpoint.path)});
  saved_ = latest;
  saved_since_ = true;
  setup_.write(Checkpointed{step, latest.path, seconds, 0});
}

void ScriptTraining::stop() {
  if (std::exchange(stopping_, true)) return;
  saved_since_ = false;
  write_file_atomically(stop_file(job_), "");
  script_.ask_to_stop();
}

/// The script is asked to leave, as for any stop. One that does not is killed after the same grace.
void ScriptTraining::apply_rule() {
  const double now = setup_.clock.now().count();
  if (!early_.empty()) {
    if (now - ended_at_ > job_.stop_grace_seconds) script_.kill();
    return;
  }
  // What has done its last step writes its results now, and is left to it.
  const auto& validations = metrics_.validations();
  if (step_ == 0 || finished_ || is_last(step_) || (!validations.empty() && is_last(validations.back().step)))
    return;
  early_ = early_stop_.reason(now);
  if (early_.empty()) return;
  ended_at_ = now;
  note("the script is to end early: " + early_);
  stop();
}

/// Even without a checkpoint: another start would come to the same end.
int ScriptTraining::end_early(bool went_well) {
  if (!saved_since_ && !went_well && step_ > saved_.step)
    early_ += saved_.path.empty()
                  ? " (asked to stop, the script left no checkpoint)"
                  : fmt::format(" (asked to stop, the script left no checkpoint; the last is of step {})",
                                saved_.step);
  setup_.write(Finished{step_, metrics_.last_loss(), metrics_.last_validation(), weights_, early_});
  return 0;
}

int ScriptTraining::end() {
  const bool went_well = script_.exit_code() == 0 || finished_;
  if (finished_ && script_.exit_code() != 0) note("it had finished: " + script_.failure().message);
  if (!early_.empty() && !(went_well && is_last(step_))) return end_early(went_well);
  const bool whole = finished_ || is_last(step_);
  if (stopping_ && !(went_well && whole)) {
    if (saved_since_ || went_well) {
      setup_.write(Stopped{saved_.step});
      return 0;
    }
    note("the script was stopped and left no checkpoint: " + script_.failure().message);
    return 1;
  }
  if (!went_well) {
    Failed failed = script_.failure();
    failed.message += " (" + whereabouts() + ")";
    if (failed.reason == Failed::Reason::kError) suspect_checkpoint();
    return give_up(failed);
  }
  if (!clock_.reported() && saved_.path.empty())
    return give_up({Failed::Reason::kError,
                    "the command ended without having reported a step: see 'Your own script' in "
                    "parallelisms/README.md"});
  if (step_ < job_.task.steps)
    note(fmt::format("the script has ended after {} of {} steps", step_, job_.task.steps));
  setup_.write(Finished{step_, metrics_.last_loss(), metrics_.last_validation(), weights_});
  return 0;
}

/// Whether the task was to end where it goes on: it was stopped on its way out, or the rule has changed. Says
/// so; the script is not started.
bool is_over(const RankSetup& setup, std::int64_t step) {
  const ScriptMetrics metrics(setup.job.directory / "metrics.jsonl", step);
  const double now = setup.clock.now().count();
  const std::string why = EarlyStop(setup.job, metrics.validations(), now).reason(now);
  if (!why.empty()) setup.write(Finished{step, metrics.last_loss(), metrics.last_validation(), "", why});
  return !why.empty();
}

}  // namespace

int train_script(const RankSetup& setup) {
  std::error_code ignored;
  std::filesystem::remove(stop_file(setup.job), ignored);
  make_directories(checkpoints_directory(setup.job.directory));
  const SavedCheckpoint from = ScriptCheckpoints(setup.job.directory, setup.job.keep_checkpoints).latest();
  const bool last_step = setup.job.task.steps > 0 && from.step >= setup.job.task.steps;
  if (from.step > 0 && !last_step && is_over(setup, from.step)) return 0;
  return ScriptTraining(setup, from).run();
}

}  // namespace saturn
