// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "script/rank_setup.h"
#include "script/step_times.h"

namespace saturn {
namespace {

constexpr Seconds kTrialTick{0.5};
/// The supervisor ends a trial at its time limit without knowing why: this one says it before.
constexpr double kShareOfTimeout = 0.9;
/// For the checkpoint of a trial that has its figures; a script that does not leave is killed.
constexpr double kLongestStop = 30;

/// Every combination of candidate values, the last knob changing fastest.
std::vector<Knobs> combinations(const std::map<std::string, std::vector<std::string>>& candidates) {
  std::vector<Knobs> all{{}};
  for (const auto& [knob, values] : candidates) {
    std::vector<Knobs> longer;
    for (const Knobs& knobs : all) {
      for (const std::string& value : values) {
        longer.push_back(knobs);
        longer.back()[knob] = value;
      }
    }
    all = std::move(longer);
  }
  return all;
}

/// One candidate: the script runs until enough is measured, is asked to stop, and leaves.
class ScriptTrial {
 public:
  ScriptTrial(const RankSetup& setup, const Job& job, const Knobs& knobs, double deadline)
      : setup_(setup),
        job_(job),
        deadline_(deadline),
        times_(job.trial),
        script_(setup.script(job, knobs, SavedCheckpoint()), setup.clock),
        clock_(script_.started_at()) {}

  /// Empty: a stop signal came in.
  std::optional<Outcome> run() {
    while (!script_.ended()) {
      for (const HeardNews& heard : script_.wait(kTrialTick, setup_.stop_signals))
        std::visit([&](const auto& news) { hear(news, heard.at); }, heard.news);
      if (setup_.stop_asked()) return {};
      if (!stopping_ && times_.enough()) stop();
      if (stopping_ && now() > stop_by_) script_.kill();
      if (!stopping_ && now() > deadline_) return late();
    }
    return outcome();
  }

 private:
  double now() const { return setup_.clock.now().count(); }

  void hear(const ScriptLength& length, double) { total_steps_ = length.steps; }
  void hear(const ScriptStep& step, double at) {
    const auto interval = clock_.step(step.step, at);
    if (interval && !stopping_) times_.add(*interval);
  }
  void hear(const ScriptValidated&, double at) {
    validation_seconds_ += clock_.other(at);
    ++validations_;
  }
  void hear(const ScriptCheckpoint&, double at) {
    const double seconds = clock_.other(at);
    checkpoint_seconds_ = std::max(checkpoint_seconds_, seconds);
  }
  void hear(const ScriptFinished&, double) { finished_ = true; }

  void stop() {
    stopping_ = true;
    stop_by_ = std::min(now() + kLongestStop, std::max(deadline_, now() + 1));
    write_file_atomically(stop_file(job_), "");
    script_.ask_to_stop();
  }

  Outcome late() const {
    const std::string limit = to_text_duration(Seconds(job_.trial.trial_timeout_seconds));
    if (!clock_.reported())
      return TrialFailed{
          fmt::format("it reported no step within profile.trial_timeout ({}): see 'Your own script' "
                      "in parallelisms/README.md",
                      limit),
          script_.tail()};
    if (times_.empty())
      return TrialFailed{fmt::format("it reported one step only within {}", limit), script_.tail()};
    return measured();  // of slow steps fewer have to do
  }

  Outcome outcome() const {
    // How a script ends that has finished does not matter, as in a run.
    const bool went_well = stopping_ || finished_ || script_.exit_code() == 0;
    if (!went_well) {
      const Failed failed = script_.failure();
      if (failed.reason == Failed::Reason::kOutOfMemory) return OutOfMemory{failed.message};
      return TrialFailed{failed.message, script_.tail()};
    }
    if (!times_.empty()) return measured();
    return TrialFailed{clock_.reported()
                           ? "it ended after one report of a step: too few to tell its speed"
                           : "it ended without having reported a step: see 'Your own script' in "
                             "parallelisms/README.md",
                       script_.tail()};
  }

  Measured measured() const {
    Measured measured = times_.measured();
    measured.startup_seconds = std::max(0.0, clock_.seconds_to_first_step() - measured.step_seconds);
    measured.checkpoint_seconds = measured.checkpoint_held_seconds = checkpoint_seconds_;
    measured.validation_seconds = validations_ > 0 ? validation_seconds_ / validations_ : 0;
    if (is_cpu_kind(job_.device_kind)) measured.peak_memory_bytes = script_.peak_memory() / job_.world_size();
    measured.total_steps = total_steps_;
    return measured;
  }

  const RankSetup& setup_;
  const Job& job_;
  double deadline_, stop_by_ = 0;
  TrialTimes times_;
  Script script_;
  StepClock clock_;
  bool stopping_ = false, finished_ = false;
  std::int64_t total_steps_ = 0;
  double checkpoint_seconds_ = 0, validation_seconds_ = 0;
  int validations_ = 0;
};

/// A folder of its own for each candidate: none finds what another left.
Job job_of_candidate(const Job& job, int index) {
  Job own = job;
  own.directory = job.directory / fmt::format("candidate-{}", index);
  make_directories(checkpoints_directory(own.directory));
  return own;
}

}  // namespace

void try_script(const RankSetup& setup) {
  const double began = setup.clock.now().count();
  const double deadline = began + kShareOfTimeout * setup.job.trial.trial_timeout_seconds;
  int index = 0;
  for (const Knobs& knobs : combinations(setup.job.knob_candidates)) {
    const Job job = job_of_candidate(setup.job, index++);
    Outcome outcome = TrialFailed{"the time of the trial was over before its turn came", ""};
    if (setup.clock.now().count() < deadline) {
      const auto tried = ScriptTrial(setup, job, knobs, deadline).run();
      if (!tried) return setup.write(Stopped{0});
      outcome = *tried;
    }
    std::error_code ignored;
    std::filesystem::remove_all(job.directory, ignored);
    setup.write(CandidateTried{knobs, outcome});
  }
  setup.write(TrialDone{});
}

}  // namespace saturn
