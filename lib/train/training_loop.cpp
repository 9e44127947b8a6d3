// SPDX-License-Identifier: Apache-2.0
#include "train/training_loop.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <limits>

#include "base/clock.h"
#include "launch/early_stop.h"
#include "train/agreement.h"
#include "train/background_checkpoint.h"
#include "train/checkpoint.h"
#include "train/gang_checkpoint.h"
#include "train/metrics.h"
#include "train/schedule.h"
#include "train/start_weights.h"

namespace saturn {
namespace {

constexpr double kEventEverySeconds = 0.5;
/// Between the signs of life of a validation after the one at its first batch.
constexpr double kAliveEverySeconds = 2;

/// What ranks join by maximum: a stop implies a checkpoint, and so does the end.
enum Wish : std::int64_t { kNothing = 0, kCheckpoint = 1, kStop = 2, kEnd = 3 };

class TrainingLoop {
 public:
  TrainingLoop(const RankContext& context, Trainer& trainer, const Data& data, std::int64_t step)
      : context_(context),
        task_(context.job.task),
        trainer_(trainer),
        data_(data),
        step_(step),
        checkpoint_(context, checkpoints()) {
    saved_step_ = step;
    begun_at_ = steady_seconds();
    if (context_.leads()) {
      metrics_.emplace(context_.job.directory / "metrics.jsonl", step, step >= task_.steps);
      last_loss_ = metrics_->last_loss().value_or(std::numeric_limits<double>::quiet_NaN());
      go_on_judging();
    }
  }

  void run() {
    if (task_.checkpoint_every_steps > 0) checkpoint_.reserve(trainer_);
    bool over = over_already();
    while (step_ < task_.steps && !over) {
      train_one();
      if (step_ == task_.steps) break;
      if (is_scheduled(step_) || is_rung(step_)) validate_now();
      const Wish wish = agreed_wish();
      over = wish == kEnd;
      if (wish == kCheckpoint) begin_save();
      if (wish != kStop) continue;
      save();
      return context_.events.write(Stopped{saved_step_});
    }
    finish();
  }

 private:
  /// A validation that the schedule of now has not: the final one of an earlier end, say. An undisturbed
  /// training would not know of it.
  bool is_scheduled(std::int64_t step) const {
    return task_.validate_every_steps > 0 && step % task_.validate_every_steps == 0;
  }
  bool is_rung(std::int64_t step) const {
    const auto& rungs = context_.job.validate_at;
    return std::find(rungs.begin(), rungs.end(), step) != rungs.end();
  }
  void go_on_judging();
  bool over_already();
  std::filesystem::path checkpoints() const { return context_.job.directory / "checkpoints"; }

  void train_one();
  void report_step(const StepResult& result, double rate, double seconds);
  double validate_now();
  void begin_save();
  void save();
  void report(const std::optional<CheckpointOutcome>& outcome);
  void finish();
  std::string save_weights() const;

  /// One is begun early enough to be complete an interval after the one before was begun: no more than that
  /// is done twice. (By steps it is begun at those steps.)
  bool due_by_clock() const {
    const double interval = context_.job.checkpoint_interval_seconds;
    return interval > 0 && steady_seconds() - begun_at_ >= interval - std::min(write_seconds_, interval / 2);
  }

  /// Rank 0's clock and stop rule and every rank's signals, made one decision; with it, whether the
  /// checkpoint that is being written goes on. One that is due by the clock waits until that is done.
  Wish agreed_wish() {
    const auto every = task_.checkpoint_every_steps;
    const bool by_clock = context_.leads() && due_by_clock();
    const bool due = (by_clock && !checkpoint_.busy()) || (every > 0 && step_ % every == 0);
    if (early_stop_) why_ = early_stop_->reason(steady_seconds());
    const std::int64_t wish = !why_.empty() ? kEnd : stop_requested() ? kStop : due ? kCheckpoint : kNothing;
    std::int64_t values[] = {wish, checkpoint_.writing()};
    context_.communicator().all_reduce({values, 2, Dtype::kInt64}, Reduction::kMax);
    report(checkpoint_.advance(values[1] != 0));
    return static_cast<Wish>(values[0]);
  }

  const RankContext& context_;
  const TaskSpec& task_;
  Trainer& trainer_;
  const Data& data_;
  std::int64_t step_;  ///< done
  std::int64_t saved_step_ = 0;
  double begun_at_ = 0;       ///< when the last checkpoint was, or when it failed
  double write_seconds_ = 0;  ///< that it took to be complete
  BackgroundCheckpoint checkpoint_;
  std::optional<MetricsFile> metrics_;   ///< rank 0
  std::optional<EarlyStop> early_stop_;  ///< rank 0, of a task that has a rule
  std::string why_;                      ///< rank 0: what the rule said last
  ValidationPoint validated_{-1, std::numeric_limits<double>::quiet_NaN()};  ///< last; the loss is rank 0's
  double last_loss_ = std::numeric_limits<double>::quiet_NaN();
  double reported_at_ = 0, unreported_seconds_ = 0;
  std::int64_t unreported_steps_ = 0;
};

/// On rank 0.
void TrainingLoop::go_on_judging() {
  std::vector<ValidationPoint> earlier = metrics_->earlier_validations();
  if (!earlier.empty()) validated_ = earlier.back();
  if (task_.stop.empty()) return;
  std::erase_if(earlier, [&](const ValidationPoint& point) { return !is_scheduled(point.step); });
  early_stop_.emplace(context_.job, std::move(earlier), context_.began);
}

/// Whether the task is to end where it goes on: it was stopped on its way out, or the rule has changed. What
/// was validated there need not be validated again. Every rank calls.
bool TrainingLoop::over_already() {
  if (task_.stop.empty() || step_ == 0 || step_ >= task_.steps) return false;
  if (early_stop_) why_ = early_stop_->reason(steady_seconds());
  std::int64_t values[] = {!why_.empty(), validated_.step == step_};
  context_.communicator().all_reduce({values, 2, Dtype::kInt64}, Reduction::kMax);
  if (values[1] != 0) validated_.step = step_;
  return values[0] != 0;
}

void TrainingLoop::train_one() {
  const double start = steady_seconds();
  const double rate = learning_rate(task_.optimizer.schedule, task_.optimizer.lr, step_, task_.steps);
  const StepResult result = trainer_.step(data_.training_batch(step_), rate);
  ++step_;
  if (!std::isfinite(result.loss) || !std::isfinite(result.gradient_norm)) {
    throw NotFiniteError(fmt::format(
        "the {} of step {} is no finite number (the last finite loss was {:.4g}); the checkpoint of step {} "
        "is the last; try a smaller learning rate, a longer warm-up or gradient clipping",
        std::isfinite(result.loss) ? "gradient" : "loss", step_, last_loss_, saved_step_));
  }
  last_loss_ = result.loss;
  report_step(result, rate, steady_seconds() - start);
}

void TrainingLoop::report_step(const StepResult& result, double rate, double seconds) {
  if (!context_.leads()) return;
  metrics_->add({step_, result.loss, rate, result.gradient_norm, seconds,
                 static_cast<double>(task_.batch_size) / seconds,
                 static_cast<double>(task_.tokens_per_step()) / seconds});
  unreported_seconds_ += seconds;
  ++unreported_steps_;
  const double time = steady_seconds();
  if (time - reported_at_ < kEventEverySeconds && step_ < task_.steps) return;
  context_.events.write(
      StepDone{step_, result.loss, unreported_seconds_ / static_cast<double>(unreported_steps_)});
  reported_at_ = time;
  unreported_seconds_ = 0;
  unreported_steps_ = 0;
}

double TrainingLoop::validate_now() {
  if (data_.validation_batches() == 0) return std::numeric_limits<double>::quiet_NaN();
  const double start = steady_seconds();
  double told = 0;
  const double loss = validate(trainer_, data_, [&](std::int64_t batch) {
    if (steady_seconds() - told < kAliveEverySeconds) return;
    told = steady_seconds();
    context_.events.write(Validating{step_, batch, data_.validation_batches()});
  });
  context_.events.write(Validated{step_, loss, steady_seconds() - start});
  if (metrics_) metrics_->add_validation(step_, loss);
  validated_ = {step_, loss};
  if (early_stop_ && is_scheduled(step_)) early_stop_->add(validated_);
  return loss;
}

/// When checkpoints are due at steps faster than they can be written, training waits for the one before. The
/// first one that is due by the clock is so until the memory for it is there.
void TrainingLoop::begin_save() {
  report(checkpoint_.finish());
  if (!checkpoint_.reserved()) return checkpoint_.reserve(trainer_);
  begun_at_ = steady_seconds();
  report(checkpoint_.begin(trainer_, step_));
}

/// Training has nothing to do meanwhile: no copy is made.
void TrainingLoop::save() {
  report(checkpoint_.finish());
  if (saved_step_ != step_ || step_ == 0) report(checkpoint_.write(trainer_, step_));
}

void TrainingLoop::report(const std::optional<CheckpointOutcome>& outcome) {
  if (!outcome) return;
  if (const auto* written = std::get_if<Checkpointed>(&*outcome)) {
    saved_step_ = written->step;
    write_seconds_ = steady_seconds() - begun_at_;
  } else {
    begun_at_ = steady_seconds();  // a full disk is not asked at every step
  }
  std::visit([&](const auto& event) { context_.events.write(event); }, *outcome);
}

void TrainingLoop::finish() {
  save();  // before the validation, which may take long
  const double loss = validated_.step == step_ ? validated_.loss : validate_now();
  std::string weights;
  if (context_.leads()) weights = save_weights();
  context_.events.write(Finished{step_, last_loss_, loss, weights, why_});
}

/// Out of the final checkpoint, which holds every rank's part.
std::string TrainingLoop::save_weights() const {
  if (saved_step_ != step_) {
    throw CheckpointError(
        "the final weights are not saved: the checkpoint of the last step could not be written");
  }
  const std::filesystem::path path = context_.job.directory / "model.safetensors";
  write_weights(path, OpenedCheckpoint(checkpoints() / checkpoint_name(step_), {.ranks = 0}));
  return path.string();
}

void load_start_weights(const ModelSpec& model, Trainer& trainer) {
  try {
    trainer.load(*open_start_weights(model));
  } catch (const CheckpointError& error) {
    throw CheckpointError(fmt::format("cannot start from {}: {}", model.start_from, error.what()));
  }
}

/// Where the last checkpoint is, or else at the beginning.
struct Begun {
  std::unique_ptr<Trainer> trainer;
  std::int64_t step = 0;
};

Begun begin(const RankContext& context) {
  const Job& job = context.job;
  const auto checkpoint = open_latest(context, job.directory / "checkpoints");
  Mesh mesh = context.mesh;
  mesh.resumes = checkpoint.has_value();
  Begun begun{context.parallelism.prepare(job.task, job.knobs, mesh)};
  if (checkpoint) {
    begun.trainer->load(*checkpoint);
    begun.step = checkpoint->state().step;
  } else if (!job.task.model.start_from.empty()) {
    load_start_weights(job.task.model, *begun.trainer);
  }
  return begun;
}

}  // namespace

double validate(Trainer& trainer, const Data& data, const std::function<void(std::int64_t)>& after_batch) {
  double sum = 0;
  const std::int64_t batches = data.validation_batches();
  for (std::int64_t i = 0; i < batches; ++i) {
    sum += trainer.evaluate(data.validation_batch(i));
    if (after_batch) after_batch(i + 1);
  }
  return batches == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(batches);
}

void run_training(const RankContext& context, const Data& data) {
  std::unique_ptr<Trainer> trainer;  // goes after an abort
  with_abort(context.mesh, [&] {
    Begun begun = begin(context);
    trainer = std::move(begun.trainer);
    const std::int64_t step = begun.step;
    context.communicator().barrier();  // everybody is up before rank 0 says so
    context.events.write(Ready{step, steady_seconds() - context.began});
    if (wait_for_release(context) == Release::kLeave) return context.events.write(Stopped{step});
    TrainingLoop(context, *trainer, data, step).run();
    context.communicator().barrier();  // nobody leaves while another may still need it
  });
}

}  // namespace saturn
