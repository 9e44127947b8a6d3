// SPDX-License-Identifier: Apache-2.0
#include "train/sharded_trainer.h"

#include <c10/core/GradMode.h>
#include <cmath>
#include <map>

#include "train/agreement.h"
#include "train/host_memory.h"

namespace saturn {
namespace {

AdamW::MakeZeros zeros_of(const ShardingOptions& options) {
  if (!options.host) return {};
  return [](const at::Tensor& like) { return host_empty(like.sizes(), like.scalar_type()).zero_(); };
}

}  // namespace

ShardedTrainer::ShardedTrainer(const TaskSpec& task, const Mesh& mesh, const ShardingOptions& options)
    : mesh_(mesh),
      precision_(precision_of(task)),
      options_(options),
      clip_(task.optimizer.clip),
      model_(build_model(task.model)),
      optimizer_((make_units(task), slices()), task.optimizer, zeros_of(options)),
      users_(units_.size()),
      requested_(model_.blocks.size()),
      gathered_(units_.size()),
      queue_(*mesh.communicator, mesh.device, options.beside) {}

/// A unit for each block, and one for each parameter that stands in several: it comes with each of them.
void ShardedTrainer::make_units(const TaskSpec& task) {
  std::map<std::string, int> uses;
  for (const auto& block : model_.blocks)
    for (const Parameter& parameter : block->parameters()) ++uses[parameter.name];
  units_of_.resize(model_.blocks.size());
  std::map<std::string, std::size_t> shared;
  for (std::size_t i = 0; i < model_.blocks.size(); ++i) {
    Block& block = *model_.blocks[i];
    std::vector<Parameter> own;
    for (Parameter& parameter : block.parameters()) {
      if (uses[parameter.name] == 1) {
        own.push_back(parameter);
        continue;
      }
      if (!shared.contains(parameter.name)) {
        shared[parameter.name] = units_.size();
        add_unit(task, {parameter});
      }
      units_of_[i].push_back(shared[parameter.name]);
      parameter.tensor = units_[shared[parameter.name]]->leaves().front();
    }
    if (!own.empty()) {
      units_of_[i].push_back(units_.size());
      add_unit(task, own);
      std::size_t next = 0;
      for (Parameter& parameter : block.parameters())
        if (uses[parameter.name] == 1) parameter.tensor = units_.back()->leaves()[next++];
    }
    for (Parameter& buffer : block.buffers())
      buffer.tensor = initial_value(buffer, initial_seed(task, mesh_)).to(mesh_.device, precision_.master);
  }
}

void ShardedTrainer::add_unit(const TaskSpec& task, const std::vector<Parameter>& parameters) {
  units_.push_back(std::make_unique<ParameterUnit>(
      parameters, UnitPlacement{mesh_.device, options_.host, precision_, mesh_.rank, mesh_.world_size},
      initial_seed(task, mesh_)));
}

std::vector<Slice> ShardedTrainer::slices() const {
  std::vector<Slice> all;
  for (const auto& unit : units_)
    for (Slice& slice : unit->slices()) all.push_back(std::move(slice));
  return all;
}

std::vector<Slice> ShardedTrainer::buffers() const {
  std::vector<Slice> buffers;
  for (const Parameter& buffer : model_.buffers()) buffers.push_back(whole_slice(buffer, buffer.tensor));
  return buffers;
}

/// Lets the block's weights come.
void ShardedTrainer::request(std::size_t block) {
  if (requested_[block]) return;
  requested_[block] = true;
  for (const std::size_t i : units_of_[block]) {
    if (users_[i]++ > 0 || units_[i]->allocated()) continue;
    ParameterUnit& unit = *units_[i];
    unit.allocate();
    gathered_[i] = queue_.submit([&unit](Communicator& all) { unit.gather(all); });
  }
}

/// Until the block's weights are there, those of the next ones in `direction` (1, -1; 0 = none) on their way.
void ShardedTrainer::bring(std::size_t block, int direction) {
  request(block);
  for (int k = 1; k <= options_.ahead && direction != 0; ++k) {
    const auto next = static_cast<std::ptrdiff_t>(block) + k * direction;
    if (next >= 0 && next < static_cast<std::ptrdiff_t>(model_.blocks.size()))
      request(static_cast<std::size_t>(next));
  }
  for (const std::size_t i : units_of_[block]) queue_.wait(gathered_[i]);
}

void ShardedTrainer::leave(std::size_t block) {
  requested_[block] = false;
  for (const std::size_t i : units_of_[block])
    if (--users_[i] == 0) units_[i]->release();
}

void ShardedTrainer::leave_all() {
  queue_.synchronize();
  for (std::size_t i = 0; i < model_.blocks.size(); ++i)
    if (requested_[i]) leave(i);
}

/// Called when the next block makes its first gradient: one block's are in memory at a time.
void ShardedTrainer::finish_sending() {
  queue_.wait(sent_ticket_);
  sent_.clear();
}

void ShardedTrainer::send_gradients(std::size_t block) {
  for (const std::size_t i : units_of_[block]) {
    ParameterUnit& unit = *units_[i];
    const at::Tensor whole = unit.close_gradient();
    sent_.push_back(whole);
    sent_ticket_ = queue_.submit([&unit, whole](Communicator& all) { unit.scatter(all, whole); });
  }
}

/// Through all blocks but the last; returns what goes into that one.
at::Tensor ShardedTrainer::run_blocks_forward(const at::Tensor& inputs, std::vector<BlockRun>& runs) {
  at::Tensor activation = inputs;
  for (std::size_t i = 0; i + 1 < model_.blocks.size(); ++i) {
    bring(i, 1);
    runs.push_back(run_forward(*model_.blocks[i], activation, options_.keep));
    activation = runs.back().pass_on();
    if (options_.reshard) leave(i);
  }
  return activation;
}

double ShardedTrainer::train_on(const GlobalBatch& batch, Rows rows) {
  const Batch part = batch.slice(rows.begin, rows.end).to(mesh_.device, precision_.compute);
  std::vector<BlockRun> runs;
  const at::Tensor activation = run_blocks_forward(part.inputs, runs);
  const std::size_t last = model_.blocks.size() - 1;
  bring(last, -1);
  runs.push_back(run_loss(*model_.blocks[last], activation, part.targets, batch.share(rows.count())));
  const double loss = runs.back().output.item<double>();
  at::Tensor gradient;
  for (std::size_t i = last + 1; i-- > 0;) {
    bring(i, -1);
    for (const std::size_t unit : units_of_[i]) units_[unit]->open_gradient([this] { finish_sending(); });
    gradient = run_backward(*model_.blocks[i], std::move(runs[i]), gradient);
    send_gradients(i);
    if (options_.reshard) leave(i);
  }
  return loss;
}

StepResult ShardedTrainer::step(const GlobalBatch& batch, double learning_rate) {
  for (const auto& unit : units_) unit->begin_step();
  const Rows mine = rows_of_rank(batch.rows(), mesh_.rank, mesh_.world_size);
  double loss = 0;
  for (const Rows& rows : micro_batches(mine, options_.micro_batch)) loss += train_on(batch, rows);
  leave_all();
  sent_.clear();
  std::vector<at::Tensor> gradients;
  for (const auto& unit : units_)
    for (at::Tensor& gradient : unit->gradients()) gradients.push_back(std::move(gradient));
  const double norm = std::sqrt(agree_on_sum(*mesh_.communicator, squared_norm(gradients)));
  optimizer_.step(gradients, learning_rate, clip_factor(norm, clip_));
  return {agree_on_sum(*mesh_.communicator, loss), norm};
}

double ShardedTrainer::evaluate_on(const GlobalBatch& batch, Rows rows) {
  const Batch part = batch.slice(rows.begin, rows.end).to(mesh_.device, precision_.compute);
  at::Tensor activation = part.inputs;
  for (std::size_t i = 0; i < model_.blocks.size(); ++i) {
    bring(i, 1);
    activation = model_.blocks[i]->forward(activation, Pass::kEvaluate);
    leave(i);
  }
  return cross_entropy(activation, part.targets).item<double>() * batch.share(rows.count());
}

double ShardedTrainer::evaluate(const GlobalBatch& batch) {
  const c10::NoGradGuard no_gradients;
  double loss = 0;
  const Rows mine = rows_of_rank(batch.rows(), mesh_.rank, mesh_.world_size);
  for (const Rows& rows : micro_batches(mine, options_.micro_batch)) loss += evaluate_on(batch, rows);
  leave_all();
  return agree_on_sum(*mesh_.communicator, loss);
}

void ShardedTrainer::save(CheckpointWriter& writer) {
  optimizer_.save(writer);
  if (mesh_.rank != 0) return;
  optimizer_.save_step(writer);
  save_slices(buffers(), writer);
}

void ShardedTrainer::load(const CheckpointReader& reader) {
  check_fits(model_.tensors(), reader);
  load_slices(buffers(), reader);
  optimizer_.load(reader);
}

}  // namespace saturn
