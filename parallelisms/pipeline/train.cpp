// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/zeros_like.h>
#include <algorithm>
#include <c10/core/GradMode.h>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <span>

#include "train/agreement.h"
#include "train/chain.h"
#include "train/optimizer.h"
#include "train/parallelism.h"
#include "train/pipeline_schedule.h"
#include "train/rows.h"
#include "train/stage_neighbours.h"
#include "train/stage_split.h"
#include "train/tied_parameters.h"
#include "train/weights.h"

namespace saturn::pipeline {
namespace {

using Kind = PipelineAction::Kind;
using Stage = TiedParameters::Stage;

PipelineOrder order_of(const Knobs& knobs) {
  return knob_value(knobs, "schedule", "1f1b") == "gpipe" ? PipelineOrder::kGpipe : PipelineOrder::k1F1B;
}

/// Rows of a micro-batch: the last one may have fewer.
std::int64_t micro_rows(const TaskSpec& task, const Knobs& knobs) {
  if (task.micro_batch_size > 0) return task.micro_batch_size;
  const std::int64_t portions = std::stoll(knob_value(knobs, "micro_batches", "4"));
  return (task.batch_size + portions - 1) / portions;
}

std::vector<Stage> stages_of(const Model& model, const std::string& split, int stages) {
  std::vector<Stage> blocks;
  std::size_t begin = 0;
  for (const std::size_t count : split_from(split, model.blocks.size(), static_cast<std::size_t>(stages))) {
    blocks.push_back(std::span(model.blocks).subspan(begin, count));
    begin += count;
  }
  return blocks;
}

class PipelineTrainer final : public Trainer {
 public:
  PipelineTrainer(const TaskSpec& task, const Knobs& knobs, const Mesh& mesh)
      : mesh_(mesh),
        precision_(precision_of(task)),
        clip_(task.optimizer.clip),
        micro_rows_(micro_rows(task, knobs)),
        order_(order_of(knobs)),
        keep_(keep_of(knobs)),
        model_(build_model(task.model)),
        stages_(stages_of(model_, knob_value(knobs, "split", "auto"), mesh.world_size)),
        weights_(blocks(), precision_, mesh.device, initial_seed(task, mesh)),
        tied_(mesh_, weights_.parameters(), stages_),
        optimizer_(weights_.masters(), task.optimizer),
        neighbours_(mesh_, precision_.compute) {}

  StepResult step(const GlobalBatch& batch, double learning_rate) override {
    weights_.clear_gradients();
    sums_.assign(weights_.parameters().size(), {});
    loss_ = 0;
    const std::vector<Rows> micros = micro_batches({0, batch.rows()}, micro_rows_);
    flights_.resize(micros.size());
    for (const PipelineAction& action :
         pipeline_schedule(order_, mesh_.rank, mesh_.world_size, static_cast<int>(micros.size())))
      act(action, batch, micros);
    std::vector<at::Tensor> gradients = precision_.mixed() ? sums_ : weights_.gradients();
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (!gradients[i].defined()) gradients[i] = at::zeros_like(weights_.masters()[i].value);
    tied_.add_up(gradients);
    const double norm = std::sqrt(agree_on_sum(*mesh_.communicator, squared_norm(tied_.owned(gradients))));
    optimizer_.step(gradients, learning_rate, clip_factor(norm, clip_));
    weights_.refresh();
    return {agree_on_sum(*mesh_.communicator, loss_), norm};
  }

  double evaluate(const GlobalBatch& batch) override {
    const c10::NoGradGuard no_gradients;
    double loss = 0;
    for (const Rows& rows : micro_batches({0, batch.rows()}, micro_rows_)) {
      at::Tensor activation =
          first() ? part_of(batch, rows).inputs : neighbours_.receive_activation(rows.count());
      for (const auto& block : blocks()) activation = block->forward(activation, Pass::kEvaluate);
      if (last()) {
        loss += cross_entropy(activation, part_of(batch, rows).targets).item<double>() *
                batch.share(rows.count());
      } else {
        neighbours_.send_activation(activation.contiguous());
      }
    }
    return agree_on_sum(*mesh_.communicator, loss);
  }

  void save(CheckpointWriter& writer) override {
    for (std::size_t i = 0; i < weights_.masters().size(); ++i)
      if (tied_.owns(i)) optimizer_.save(writer, i);
    save_slices(weights_.buffers(), writer);
    if (mesh_.rank == 0) optimizer_.save_step(writer);
  }

  void load(const CheckpointReader& reader) override {
    check_fits(model_.tensors(), reader);
    load_slices(weights_.buffers(), reader);
    optimizer_.load(reader);
    weights_.refresh();
  }

 private:
  /// A micro-batch between its forward and its backward pass.
  struct Flight {
    std::vector<BlockRun> runs;
    at::Tensor incoming, outgoing, gradient;
  };

  bool first() const { return mesh_.rank == 0; }
  bool last() const { return mesh_.rank + 1 == mesh_.world_size; }

  Stage blocks() const { return stages_[static_cast<std::size_t>(mesh_.rank)]; }

  Batch part_of(const GlobalBatch& batch, Rows rows) const {
    return batch.slice(rows.begin, rows.end).to(mesh_.device, precision_.compute);
  }

  void act(const PipelineAction& action, const GlobalBatch& batch, const std::vector<Rows>& micros) {
    Flight& flight = flights_[static_cast<std::size_t>(action.micro)];
    Flight& other = flights_[static_cast<std::size_t>(action.other)];
    const Rows rows = micros[static_cast<std::size_t>(action.micro)];
    switch (action.kind) {
      case Kind::kReceiveActivation:
        flight.incoming = neighbours_.receive_activation(rows.count());
        break;
      case Kind::kForward:
        forward(flight, batch, rows);
        break;
      case Kind::kSendActivation:
        neighbours_.send_activation(flight.outgoing);
        break;
      case Kind::kReceiveGradient:
        flight.gradient = neighbours_.receive_gradient(flight.outgoing);
        break;
      case Kind::kBackward:
        backward(flight);
        break;
      case Kind::kSendGradient:
        neighbours_.send_gradient(flight.gradient);
        flight = {};
        break;
      case Kind::kSwapWithNext:
        other.gradient = neighbours_.swap_with_next(flight.outgoing, other.outgoing);
        break;
      case Kind::kSwapWithPrevious:
        other.incoming = neighbours_.swap_with_previous(
            flight.gradient, micros[static_cast<std::size_t>(action.other)].count());
        flight = {};
        break;
    }
  }

  void forward(Flight& flight, const GlobalBatch& batch, Rows rows) {
    Batch part;
    if (first() || last()) part = part_of(batch, rows);
    at::Tensor activation = first() ? part.inputs : std::move(flight.incoming);
    const std::size_t plain = blocks().size() - (last() ? 1 : 0);
    for (std::size_t i = 0; i < plain; ++i) {
      flight.runs.push_back(run_forward(*blocks()[i], activation, keep_));
      activation = flight.runs.back().pass_on();
    }
    if (last()) {
      flight.runs.push_back(
          run_loss(*blocks().back(), activation, part.targets, batch.share(rows.count()), keep_));
      loss_ += flight.runs.back().pass_on().item<double>();
    } else {
      flight.outgoing = activation.contiguous();
    }
  }

  void backward(Flight& flight) {
    at::Tensor gradient = std::move(flight.gradient);
    flight.outgoing.reset();
    for (std::size_t i = blocks().size(); i-- > 0;)
      gradient = run_backward(*blocks()[i], std::move(flight.runs[i]), gradient);
    flight.runs.clear();
    if (precision_.mixed()) add_to_sums();
    if (!first()) flight.gradient = gradient.contiguous();
  }

  /// Micro-batches add up in the masters' precision.
  void add_to_sums() {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      const at::Tensor& gradient = weights_.parameters()[i].tensor.grad();
      if (!gradient.defined()) continue;
      sums_[i] = sums_[i].defined() ? sums_[i].add_(gradient) : gradient.to(precision_.master);
    }
    weights_.clear_gradients();
  }

  Mesh mesh_;
  Precision precision_;
  double clip_;
  std::int64_t micro_rows_;
  PipelineOrder order_;
  Keep keep_;
  Model model_;
  std::vector<Stage> stages_;
  Weights weights_;  ///< of this stage
  TiedParameters tied_;
  AdamW optimizer_;
  StageNeighbours neighbours_;
  std::vector<Flight> flights_;
  std::vector<at::Tensor> sums_;
  double loss_ = 0;
};

/// README.md, "Cost model".
class CostModel {
 public:
  explicit CostModel(const SearchContext& context)
      : context_(context), stages_(context.mesh.world_size), precision_(precision_of(context.task)) {}

  /// With the split that suits the other knobs.
  Candidate guess(Knobs knobs) const {
    std::vector<double> seconds;
    for (const BlockCost& block : context_.costs.blocks)
      seconds.push_back(std::max(block.forward_seconds + block.backward_seconds, 1e-9));
    const Bytes budget = context_.mesh.memory_bytes;
    StageSplit split = balance_stages(seconds, stages_, [&](auto begin, auto end, auto stage) {
      return budget == 0 || memory(knobs, begin, end, stage) <= budget;
    });
    if (split.empty()) split = balance_stages(seconds, stages_, [](auto, auto, auto) { return true; });
    knobs["split"] = to_text(split);
    double slowest = 0;
    Bytes fullest = 0;
    for (std::size_t stage = 0, begin = 0; stage < split.size(); begin += split[stage++]) {
      const std::size_t end = begin + split[stage];
      slowest = std::max(slowest, std::accumulate(seconds.begin() + static_cast<std::ptrdiff_t>(begin),
                                                  seconds.begin() + static_cast<std::ptrdiff_t>(end), 0.0));
      fullest = std::max(fullest, memory(knobs, begin, end, stage));
    }
    return {knobs, step_seconds(knobs, slowest), fullest};
  }

 private:
  double micros(const Knobs& knobs) const {
    const std::int64_t rows = context_.task.batch_size, each = micro_rows(context_.task, knobs);
    return static_cast<double>((rows + each - 1) / each);
  }

  /// `slowest`: forward and backward of the rows that were measured through the slowest stage.
  double step_seconds(const Knobs& knobs, double slowest) const {
    const double m = micros(knobs);
    const double rows =
        static_cast<double>(context_.task.batch_size) / static_cast<double>(context_.costs.rows);
    const double filled = (m + static_cast<double>(stages_) - 1) / m;
    return slowest * rows * time_factor(keep_of(knobs)) * filled;
  }

  Bytes memory(const Knobs& knobs, std::size_t begin, std::size_t end, std::size_t stage) const {
    std::int64_t parameters = 0;
    Bytes activations = 0, outputs = 0, largest = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const BlockCost& block = context_.costs.blocks[i];
      parameters += block.parameters;
      activations += block.activation_bytes;
      outputs += block.output_bytes;
      largest = std::max(largest, block.activation_bytes);
    }
    const double each =
        static_cast<double>(micro_rows(context_.task, knobs)) / static_cast<double>(context_.costs.rows);
    const double in_flight = order_of(knobs) == PipelineOrder::kGpipe
                                 ? micros(knobs)
                                 : std::min(micros(knobs), static_cast<double>(stages_ - stage));
    const double kept = keep_of(knobs) == Keep::kInput
                            ? static_cast<double>(outputs) * in_flight + static_cast<double>(largest)
                            : static_cast<double>(activations) * in_flight;
    const auto master = static_cast<Bytes>(c10::elementSize(precision_.master));
    const Bytes copies =
        precision_.mixed() ? 2 * static_cast<Bytes>(c10::elementSize(precision_.compute)) : 0;
    return parameters * (4 * master + copies) + static_cast<Bytes>(kept * each);
  }

  const SearchContext& context_;
  std::size_t stages_;
  Precision precision_;
};

class Pipeline final : public Parallelism {
 public:
  std::variant<std::vector<Candidate>, NotApplicable> candidates(
      const SearchContext& context) const override {
    const auto devices = static_cast<std::size_t>(context.mesh.world_size);
    if (devices == 1)
      return NotApplicable{"a pipeline of one stage is the model itself: ddp and spill are for one device"};
    if (context.costs.blocks.size() < devices)
      return NotApplicable{fmt::format("the model is a chain of {} blocks, too short for {} stages",
                                       context.costs.blocks.size(), devices)};
    std::vector<Knobs> settings{Knobs{}};
    for (const auto& [knob, values] : context.values) {
      settings =
          with_choices(settings, knob, knob == "micro_batches" ? portions(context.task, values) : values);
    }
    const CostModel model(context);
    std::vector<Candidate> candidates;
    for (const Knobs& knobs : settings) candidates.push_back(model.guess(knobs));
    return candidates;
  }

  std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs& knobs,
                                   const Mesh& mesh) const override {
    return std::make_unique<PipelineTrainer>(task, knobs, mesh);
  }

 private:
  /// The numbers of portions that the batch has rows for.
  static std::vector<std::string> portions(const TaskSpec& task, const std::vector<std::string>& values) {
    if (task.micro_batch_size > 0) return {};
    std::vector<std::string> possible;
    for (const std::string& value : values)
      if (std::stoll(value) <= task.batch_size) possible.push_back(value);
    return possible;
  }
};

}  // namespace
}  // namespace saturn::pipeline

SATURN_PARALLELISM(saturn::pipeline::Pipeline)
