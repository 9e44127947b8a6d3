// SPDX-License-Identifier: Apache-2.0
#include "train/measure_costs.h"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <algorithm>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>
#include <typeinfo>

#include "base/clock.h"
#include "train/chain.h"
#include "train/model.h"
#include "train/precision.h"

namespace saturn {
namespace {

/// Enough to keep the device busy, few enough to fit.
constexpr std::int64_t kMostRows = 4;
constexpr double kHostBytesPerSecond = 4e9, kLinkBytesPerSecond = 1e11;

/// Two blocks of one description cost the same.
std::string description(const Block& block, const at::Tensor& input) {
  const Block& same = block;
  std::string text = fmt::format("{} {}", typeid(same).name(), fmt::join(input.sizes().vec(), ","));
  for (const Parameter& parameter : block.parameters())
    text += fmt::format(" {}", fmt::join(parameter.shape, ","));
  return text;
}

/// What does not depend on memory or time.
std::vector<BlockCost> counted(const Model& model) {
  std::vector<BlockCost> blocks;
  std::set<std::string> names;
  for (const auto& block : model.blocks) {
    BlockCost& cost = blocks.emplace_back();
    for (const Parameter& parameter : block->parameters())
      if (names.insert(parameter.name).second) cost.parameters += parameter.elements();
  }
  return blocks;
}

class Measurement {
 public:
  Measurement(const Batch& batch, Precision precision, at::Device device, Accelerator& accelerator)
      : batch_(batch.to(device, precision.compute)),
        options_(at::TensorOptions().dtype(precision.compute).device(device)),
        accelerator_(accelerator) {}

  void run(Model& model, std::vector<BlockCost>& costs) {
    std::map<std::string, std::pair<BlockCost, at::Tensor>> known;
    at::Tensor input = batch_.inputs;
    for (std::size_t i = 0; i < model.blocks.size(); ++i) {
      const bool last = i + 1 == model.blocks.size();
      auto& [cost, output] = known[description(*model.blocks[i], input)];
      if (!output.defined()) {
        fill(*model.blocks[i]);
        measure(*model.blocks[i], input, last, cost, output);  // brings what is made at the first use
        measure(*model.blocks[i], input, last, cost, output);
        empty(*model.blocks[i]);
      }
      const std::int64_t parameters = costs[i].parameters;
      costs[i] = cost;
      costs[i].parameters = parameters;
      input = output;
    }
  }

 private:
  void fill(Block& block) const {
    for (Parameter& parameter : block.parameters())
      parameter.tensor = at::zeros(parameter.shape, options_).set_requires_grad(true);
    for (Parameter& buffer : block.buffers()) buffer.tensor = at::zeros(buffer.shape, options_);
  }
  static void empty(Block& block) {
    for (Parameter& parameter : block.parameters()) parameter.tensor.reset();
    for (Parameter& buffer : block.buffers()) buffer.tensor.reset();
  }

  void measure(Block& block, const at::Tensor& input, bool last, BlockCost& cost, at::Tensor& output) const {
    output.reset();
    const Bytes before = accelerator_.memory_in_use();
    const double start = now_on_device();
    BlockRun run = last ? run_loss(block, input, batch_.targets, 1) : run_forward(block, input);
    cost.forward_seconds = now_on_device() - start;
    cost.activation_bytes = accelerator_.memory_in_use() - before;
    output = run.output.detach();
    cost.output_bytes = static_cast<Bytes>(output.nbytes());
    const at::Tensor gradient = last ? at::Tensor{} : at::zeros_like(output);
    const double middle = now_on_device();
    (void)run_backward(block, std::move(run), gradient);
    cost.backward_seconds = now_on_device() - middle;
    for (const Parameter& parameter : block.parameters()) parameter.tensor.mutable_grad().reset();
  }

  double now_on_device() const {
    accelerator_.synchronize();
    return steady_seconds();
  }

  Batch batch_;
  at::TensorOptions options_;
  Accelerator& accelerator_;
};

void share(Communicator& communicator, std::vector<BlockCost>& blocks) {
  std::vector<double> values;
  for (const BlockCost& cost : blocks) {
    values.insert(values.end(),
                  {static_cast<double>(cost.activation_bytes), static_cast<double>(cost.output_bytes),
                   cost.forward_seconds, cost.backward_seconds});
  }
  communicator.broadcast({values.data(), values.size(), Dtype::kFloat64}, 0);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i].activation_bytes = static_cast<Bytes>(values[4 * i]);
    blocks[i].output_bytes = static_cast<Bytes>(values[4 * i + 1]);
    blocks[i].forward_seconds = values[4 * i + 2];
    blocks[i].backward_seconds = values[4 * i + 3];
  }
}

}  // namespace

ModelCosts measure_costs(const TaskSpec& task, const Data& data, const Mesh& mesh, Accelerator& accelerator) {
  Model model = build_model(task.model);
  ModelCosts costs;
  costs.rows = std::clamp<std::int64_t>(task.batch_size / mesh.world_size, 1, kMostRows);
  costs.blocks = counted(model);
  costs.copy_bytes_per_second = mesh.device.is_cpu() ? kHostBytesPerSecond : kLinkBytesPerSecond;
  try {
    const Batch batch = data.training_batch(0).slice(0, costs.rows);
    Measurement(batch, precision_of(task), mesh.device, accelerator).run(model, costs.blocks);
  } catch (const c10::OutOfMemoryError&) {
    // A block that passes the budget by itself: the candidates will tell.
  }
  share(*mesh.communicator, costs.blocks);
  return costs;
}

}  // namespace saturn
