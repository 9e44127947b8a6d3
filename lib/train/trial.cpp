// SPDX-License-Identifier: Apache-2.0
#include "train/trial.h"

#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "train/agreement.h"
#include "train/background_checkpoint.h"
#include "train/measure_costs.h"
#include "train/schedule.h"
#include "train/search.h"
#include "train/training_loop.h"

namespace saturn {
namespace {

/// One candidate being measured on this rank.
class Measurement {
 public:
  Measurement(const RankContext& context, Trainer& trainer, const Data& data)
      : context_(context), settings_(context.job.trial), trainer_(trainer), data_(data) {}

  Measured run() {
    for (std::int64_t i = 0; i < settings_.warmup_steps; ++i) step();
    measure_for(settings_.trial_seconds);
    StepTimes times = agreed_times();
    const bool again = times.spread > settings_.unstable_spread;
    if (again) {
      measure_for(settings_.trial_seconds);  // one disturbance weighs half as much now
      times = agreed_times();
    }
    Measured measured;
    measured.step_seconds = times.mean_seconds;
    measured.spread = times.spread;
    measured.unstable = again && times.spread > settings_.unstable_spread;
    measured.steps = static_cast<std::int64_t>(seconds_.size());
    measure_checkpoint(measured);
    measured.validation_seconds = validation_seconds();
    measured.peak_memory_bytes = agree_on_max(context_.communicator(), context_.accelerator.peak_memory());
    return measured;
  }

 private:
  void step() {
    const TaskSpec& task = context_.job.task;
    const std::int64_t number = next_step_++ % std::max<std::int64_t>(task.steps, 1);
    const double rate = learning_rate(task.optimizer.schedule, task.optimizer.lr, number, task.steps);
    trainer_.step(data_.training_batch(number), rate);
  }

  /// Rank 0's clock decides for all. A step's time includes the meeting, as in training.
  void measure_for(double span) {
    const double start = steady_seconds();
    std::int64_t steps = 0;
    double last = start;
    while (true) {
      step();
      ++steps;
      const bool enough =
          steps >= settings_.min_steps && (last - start >= span || steps >= settings_.max_steps);
      const bool over = agree_on_max(context_.communicator(), std::int64_t{context_.leads() && enough}) != 0;
      const double time = steady_seconds();
      seconds_.push_back(time - last);
      last = time;
      if (over) return;
    }
  }

  /// Of rank 0: steps end together, but the ranks must decide alike.
  StepTimes agreed_times() const {
    const StepTimes times = summarize(seconds_);
    double values[] = {times.mean_seconds, times.spread};
    context_.communicator().broadcast({values, 2, Dtype::kFloat64}, 0);
    return {values[0], values[1]};
  }

  void measure_checkpoint(Measured& measured) {
    const std::filesystem::path root = context_.job.directory / "trial-checkpoint";
    BackgroundCheckpoint checkpoint(context_, root);
    checkpoint.reserve(trainer_);
    auto outcome = checkpoint.finish();  // none yet
    const double start = steady_seconds();
    outcome = checkpoint.begin(trainer_, 1);
    measured.checkpoint_held_seconds = steady_seconds() - start;
    if (!outcome) outcome = checkpoint.finish();
    measured.checkpoint_seconds = steady_seconds() - start;
    if (context_.leads()) std::filesystem::remove_all(root);
    if (const auto* failed = std::get_if<CheckpointFailed>(&*outcome))
      throw std::runtime_error(failed->message);
  }

  double validation_seconds() {
    if (data_.validation_batches() == 0) return 0;
    const double start = steady_seconds();
    trainer_.evaluate(data_.validation_batch(0));
    return (steady_seconds() - start) * static_cast<double>(data_.validation_batches());
  }

  const RankContext& context_;
  const ProfileSettings& settings_;
  Trainer& trainer_;
  const Data& data_;
  std::int64_t next_step_ = 0;
  std::vector<double> seconds_;
};

/// `common_seconds`: what every start pays before it prepares.
Outcome try_candidate(const RankContext& context, const Data& data, const Knobs& knobs,
                      double common_seconds) {
  context.accelerator.release_freed_memory();
  context.accelerator.reset_peak_memory();
  std::unique_ptr<Trainer> trainer;
  try {
    Measured measured;
    with_abort(context.mesh, [&] {
      const double start = steady_seconds();
      trainer = context.parallelism.prepare(context.job.task, knobs, context.mesh);
      context.communicator().barrier();
      const double prepared = steady_seconds() - start;
      measured = Measurement(context, *trainer, data).run();
      measured.startup_seconds = common_seconds + prepared;
    });
    return measured;
  } catch (const std::exception& error) {
    const Failed failed = failure_of(error, &context.job.task);
    if (failed.reason == Failed::Reason::kOutOfMemory) return OutOfMemory{failed.message};
    return TrialFailed{failed.message, ""};
  }
}

/// Tries what the parallelism offers. A failed candidate leaves its communicator dead: each has its own.
class Search {
 public:
  Search(const RankContext& context, const Data& data, const MakeCommunicator& make_communicator,
         double common_seconds)
      : context_(context),
        data_(data),
        make_communicator_(make_communicator),
        common_seconds_(common_seconds) {}

  void run(std::unique_ptr<Communicator> communicator) {
    auto found = candidates();
    if (const auto* none = std::get_if<NotApplicable>(&found))
      return context_.events.write(CandidateTried{{}, *none});
    const SearchOrder order =
        order_candidates(std::move(std::get<std::vector<Candidate>>(found)), smallest_budget());
    for (const Candidate& candidate : order.to_try) {
      if (skip(candidate)) continue;
      if (generation_ > 0) {
        communicator.reset();
        communicator = make_communicator_(generation_);
        context_.mesh.communicator = communicator.get();
      }
      ++generation_;
      try_one(candidate);
    }
    for (const auto& [knobs, why] : order.hopeless)
      context_.events.write(CandidateTried{knobs, NotApplicable{why}});
  }

 private:
  std::variant<std::vector<Candidate>, NotApplicable> candidates() {
    std::variant<std::vector<Candidate>, NotApplicable> found;
    with_abort(context_.mesh, [&] {
      const ModelCosts costs = measure_costs(context_.job.task, data_, context_.mesh, context_.accelerator);
      found = context_.parallelism.candidates(
          {context_.job.task, context_.mesh, costs, context_.job.knob_candidates});
    });
    return found;
  }

  /// Of all ranks' devices: every rank must decide alike.
  Bytes smallest_budget() const {
    constexpr Bytes kNone = std::numeric_limits<Bytes>::max();
    const Bytes mine = context_.mesh.memory_bytes > 0 ? context_.mesh.memory_bytes : kNone;
    const Bytes least = -agree_on_max(context_.communicator(), -mine);
    return least == kNone ? 0 : least;
  }

  bool skip(const Candidate& candidate) const {
    return best_ && (measured_ >= kMostMeasured || !worth_trying(candidate, *best_));
  }

  void try_one(const Candidate& candidate) {
    const Outcome outcome = try_candidate(context_, data_, candidate.knobs, common_seconds_);
    if (std::holds_alternative<Measured>(outcome)) {
      if (!best_) best_ = candidate;
      ++measured_;
    }
    context_.events.write(CandidateTried{candidate.knobs, outcome});
  }

  RankContext context_;
  const Data& data_;
  const MakeCommunicator& make_communicator_;
  double common_seconds_;
  /// A trial is to be short: the cost model decides among more.
  static constexpr int kMostMeasured = 3;

  int generation_ = 0;
  int measured_ = 0;
  std::optional<Candidate> best_;  ///< the first that was measured: no other's guess is better
};

}  // namespace

StepTimes summarize(const std::vector<double>& step_seconds) {
  if (step_seconds.empty()) return {};
  const auto count = static_cast<double>(step_seconds.size());
  const double mean = std::accumulate(step_seconds.begin(), step_seconds.end(), 0.0) / count;
  double squares = 0;
  for (const double seconds : step_seconds) squares += (seconds - mean) * (seconds - mean);
  return {mean, mean > 0 ? std::sqrt(squares / count) / mean : 0};
}

void run_trial(RankContext context, const Data& data, const MakeCommunicator& make_communicator) {
  std::unique_ptr<Communicator> communicator = make_communicator(0);
  context.mesh.communicator = communicator.get();
  leave_at_once_when_stopped();
  const double common_seconds = steady_seconds() - context.began;
  context.events.write(Ready{0, common_seconds});
  if (wait_for_release(context) == Release::kLeave) return context.events.write(Stopped{0});
  Search(context, data, make_communicator, common_seconds).run(std::move(communicator));
  context.events.write(TrialDone{});
}

}  // namespace saturn
