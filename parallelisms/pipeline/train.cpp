// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <algorithm>
#include <array>
#include <c10/core/GradMode.h>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>

#include "train/agreement.h"
#include "train/chain.h"
#include "train/optimizer.h"
#include "train/parallelism.h"
#include "train/pipeline_schedule.h"
#include "train/rows.h"
#include "train/weights.h"

namespace saturn::pipeline {
namespace {

using Kind = PipelineAction::Kind;

PipelineOrder order_of(const Knobs& knobs) {
  return knob_value(knobs, "schedule", "1f1b") == "gpipe" ? PipelineOrder::kGpipe : PipelineOrder::k1F1B;
}

/// Rows of a micro-batch: the last one may have fewer.
std::int64_t micro_rows(const TaskSpec& task, const Knobs& knobs) {
  if (task.micro_batch_size > 0) return task.micro_batch_size;
  const std::int64_t portions = std::stoll(knob_value(knobs, "micro_batches", "4"));
  return (task.batch_size + portions - 1) / portions;
}

std::string split_text(const std::vector<std::size_t>& counts) {
  std::string text;
  for (const std::size_t count : counts) text += (text.empty() ? "" : "+") + std::to_string(count);
  return text;
}

/// The blocks of each stage, as the knob says, or as even as can be. Errors: std::invalid_argument.
std::vector<std::size_t> split_of(const Knobs& knobs, std::size_t blocks, int stages) {
  const std::string text = knob_value(knobs, "split", "auto");
  std::vector<std::size_t> counts;
  if (text == "auto") {
    for (int stage = 0; stage < stages; ++stage) {
      const Rows part = rows_of_rank(static_cast<std::int64_t>(blocks), stage, stages);
      counts.push_back(static_cast<std::size_t>(part.count()));
    }
  } else {
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, '+');)
      counts.push_back(std::strtoul(part.c_str(), nullptr, 10));  // 0: no number
  }
  const bool empty = std::find(counts.begin(), counts.end(), 0U) != counts.end();
  if (empty || counts.size() != static_cast<std::size_t>(stages) ||
      std::accumulate(counts.begin(), counts.end(), std::size_t{0}) != blocks)
    throw std::invalid_argument(
        fmt::format("split '{}' does not divide the model's {} blocks among {} devices (as '3+4' does 7 "
                    "blocks among 2)",
                    text, blocks, stages));
  return counts;
}

/// Sends activations and gradients to the neighbours. What comes has the shape that the sender says at the
/// first micro-batch of so many rows.
class Neighbours {
 public:
  Neighbours(const Mesh& mesh, at::ScalarType dtype) : mesh_(mesh), dtype_(dtype) {}

  void send_activation(const at::Tensor& activation) {
    announce(activation);
    mesh_.communicator->send(buffer_of(activation), mesh_.rank + 1);
  }
  at::Tensor receive_activation(std::int64_t rows) {
    const at::Tensor activation = empty(expected_shape(rows));
    mesh_.communicator->receive(buffer_of(activation), mesh_.rank - 1);
    return activation;
  }
  void send_gradient(const at::Tensor& gradient) {
    mesh_.communicator->send(buffer_of(gradient), mesh_.rank - 1);
  }
  at::Tensor receive_gradient(const at::Tensor& like) {
    const at::Tensor gradient = empty(like.sizes().vec());
    mesh_.communicator->receive(buffer_of(gradient), mesh_.rank + 1);
    return gradient;
  }
  at::Tensor swap_with_next(const at::Tensor& activation, const at::Tensor& like) {
    announce(activation);
    const at::Tensor gradient = empty(like.sizes().vec());
    mesh_.communicator->exchange(buffer_of(activation), buffer_of(gradient), mesh_.rank + 1);
    return gradient;
  }
  at::Tensor swap_with_previous(const at::Tensor& gradient, std::int64_t rows) {
    const at::Tensor activation = empty(expected_shape(rows));
    mesh_.communicator->exchange(buffer_of(gradient), buffer_of(activation), mesh_.rank - 1);
    return activation;
  }

 private:
  using Shape = std::vector<std::int64_t>;
  static constexpr std::size_t kMostDimensions = 8;
  using Header = std::array<std::int64_t, kMostDimensions>;  ///< extents; 0 after the last

  at::Tensor empty(const Shape& shape) const {
    return at::empty(shape, at::TensorOptions().dtype(dtype_).device(mesh_.device));
  }

  void announce(const at::Tensor& activation) {
    if (!announced_.insert(activation.size(0)).second) return;
    Header header{};
    std::copy(activation.sizes().begin(), activation.sizes().end(), header.begin());
    mesh_.communicator->send({header.data(), header.size(), Dtype::kInt64}, mesh_.rank + 1);
  }

  const Shape& expected_shape(std::int64_t rows) {
    Shape& shape = expected_[rows];
    if (!shape.empty()) return shape;
    Header header{};
    mesh_.communicator->receive({header.data(), header.size(), Dtype::kInt64}, mesh_.rank - 1);
    for (const std::int64_t extent : header)
      if (extent > 0) shape.push_back(extent);
    return shape;
  }

  const Mesh& mesh_;
  at::ScalarType dtype_;
  std::set<std::int64_t> announced_;
  std::map<std::int64_t, Shape> expected_;
};

/// A parameter that stands in blocks of several stages (a tied embedding): the first of them owns it.
struct Shared {
  std::size_t index = 0;    ///< of the parameter on this stage
  std::vector<int> stages;  ///< that have it, in order
};

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
        split_(split_of(knobs, model_.blocks.size(), mesh.world_size)),
        weights_(stage_blocks(), precision_, mesh.device, task.seed),
        optimizer_(weights_.masters(), task.optimizer),
        neighbours_(mesh_, precision_.compute) {
    find_shared();
  }

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
    for (const Shared& shared : shared_) add_up(gradients[shared.index], shared.stages);
    const double norm = std::sqrt(agree_on_sum(*mesh_.communicator, squared_norm(owned(gradients))));
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
      for (const auto& block : stage_blocks()) activation = block->forward(activation, Pass::kEvaluate);
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
      if (owns(i)) optimizer_.save(writer, i);
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

  std::span<const std::unique_ptr<Block>> stage_blocks() const { return blocks_of(mesh_.rank); }
  std::span<const std::unique_ptr<Block>> blocks_of(int stage) const {
    const auto begin = std::accumulate(split_.begin(), split_.begin() + stage, std::size_t{0});
    return std::span(model_.blocks).subspan(begin, split_[static_cast<std::size_t>(stage)]);
  }

  void find_shared() {
    std::map<std::string, std::vector<int>> stages_of;
    for (int stage = 0; stage < mesh_.world_size; ++stage) {
      for (const auto& block : blocks_of(stage))
        for (const Parameter& parameter : block->parameters()) {
          std::vector<int>& stages = stages_of[parameter.name];
          if (stages.empty() || stages.back() != stage) stages.push_back(stage);
        }
    }
    for (std::size_t i = 0; i < weights_.parameters().size(); ++i) {
      const std::vector<int>& stages = stages_of.at(weights_.parameters()[i].name);
      if (stages.size() > 1) shared_.push_back({i, stages});
    }
  }

  bool owns(std::size_t index) const {
    const auto found = std::find_if(shared_.begin(), shared_.end(),
                                    [&](const Shared& shared) { return shared.index == index; });
    return found == shared_.end() || found->stages.front() == mesh_.rank;
  }

  std::vector<at::Tensor> owned(const std::vector<at::Tensor>& gradients) const {
    std::vector<at::Tensor> mine;
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (owns(i)) mine.push_back(gradients[i]);
    return mine;
  }

  /// The sum over the stages, added up by the owner in their order: the same bits everywhere.
  void add_up(at::Tensor& gradient, const std::vector<int>& stages) const {
    const int owner = stages.front();
    gradient = gradient.contiguous();
    if (mesh_.rank != owner) {
      mesh_.communicator->send(buffer_of(gradient), owner);
      return mesh_.communicator->receive(buffer_of(gradient), owner);
    }
    const at::Tensor theirs = at::empty(gradient.sizes(), gradient.options());
    for (std::size_t i = 1; i < stages.size(); ++i) {
      mesh_.communicator->receive(buffer_of(theirs), stages[i]);
      gradient.add_(theirs);
    }
    for (std::size_t i = 1; i < stages.size(); ++i) mesh_.communicator->send(buffer_of(gradient), stages[i]);
  }

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
    const auto blocks = stage_blocks();
    const std::size_t plain = blocks.size() - (last() ? 1 : 0);
    for (std::size_t i = 0; i < plain; ++i) {
      flight.runs.push_back(run_forward(*blocks[i], activation, keep_));
      activation = flight.runs.back().pass_on();
    }
    if (last()) {
      flight.runs.push_back(
          run_loss(*blocks.back(), activation, part.targets, batch.share(rows.count()), keep_));
      loss_ += flight.runs.back().pass_on().item<double>();
    } else {
      flight.outgoing = activation.contiguous();
    }
  }

  void backward(Flight& flight) {
    const auto blocks = stage_blocks();
    at::Tensor gradient = std::move(flight.gradient);
    flight.outgoing.reset();
    for (std::size_t i = blocks.size(); i-- > 0;)
      gradient = run_backward(*blocks[i], std::move(flight.runs[i]), gradient);
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
  std::vector<std::size_t> split_;
  Weights weights_;  ///< of this stage
  AdamW optimizer_;
  Neighbours neighbours_;
  std::vector<Shared> shared_;
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
    std::vector<std::size_t> split = balance_stages(seconds, stages_, [&](auto begin, auto end, auto stage) {
      return budget == 0 || memory(knobs, begin, end, stage) <= budget;
    });
    if (split.empty()) split = balance_stages(seconds, stages_, [](auto, auto, auto) { return true; });
    knobs["split"] = split_text(split);
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
