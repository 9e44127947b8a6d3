// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/file.h"
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
        step_(saved_.step) {}

  int run() {
    while (!script_.ended()) {
      for (const HeardNews& heard : script_.wait(kTick, setup_.stop_signals))
        std::visit([&](const auto& news) { hear(news, heard.at); }, heard.news);
      if (!not_finite_.empty()) return give_up({Failed::Reason::kNotFinite, not_finite_});
      if (setup_.stop_asked()) stop();
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
  int end();
  int give_up(const Failed& failed) const {
    setup_.write(failed);
    return 1;
  }
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

int ScriptTraining::end() {
  const bool went_well = script_.exit_code() == 0 || finished_;
  if (finished_ && script_.exit_code() != 0) note("it had finished: " + script_.failure().message);
  const bool whole = finished_ || (job_.task.steps > 0 && step_ >= job_.task.steps);
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

}  // namespace

int train_script(const RankSetup& setup) {
  std::error_code ignored;
  std::filesystem::remove(stop_file(setup.job), ignored);
  make_directories(checkpoints_directory(setup.job.directory));
  const SavedCheckpoint from = ScriptCheckpoints(setup.job.directory, setup.job.keep_checkpoints).latest();
  return ScriptTraining(setup, from).run();
}

}  // namespace saturn
