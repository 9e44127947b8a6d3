// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "train/sharded_trainer.h"

namespace saturn::spill {
namespace {

ShardingOptions options_of(const TaskSpec& task, const Knobs& knobs, int devices) {
  ShardingOptions options;
  options.micro_batch = micro_batch_rows(task, knobs, task.batch_size / devices);
  options.host = true;
  options.ahead = std::stoi(knob_value(knobs, "prefetch", "1"));
  options.keep = keep_of(knobs);
  return options;
}

/// README.md, "Cost model".
Candidate guess(const SearchContext& context, const Knobs& knobs) {
  const std::int64_t devices = context.mesh.world_size;
  const ShardingOptions options = options_of(context.task, knobs, context.mesh.world_size);
  const std::int64_t share = context.task.batch_size / devices;
  const std::int64_t portions = (share + options.micro_batch - 1) / options.micro_batch;
  const Precision precision = precision_of(context.task);
  const auto master = static_cast<Bytes>(c10::elementSize(precision.master));
  const auto compute = static_cast<Bytes>(c10::elementSize(precision.compute));

  const double running = context.costs.step_seconds(share) * time_factor(options.keep) *
                         accumulation_factor(share, options.micro_batch);
  const auto parameters = static_cast<double>(context.costs.parameters());
  const double moved = static_cast<double>(portions) * parameters * static_cast<double>(2 * compute + master);
  const double moving = moved / context.costs.copy_bytes_per_second;

  std::int64_t largest = 0;
  for (const BlockCost& block : context.costs.blocks) largest = std::max(largest, block.parameters);
  const Bytes activations = context.costs.kept_bytes(options.micro_batch, options.keep);
  const Bytes memory = largest * (compute * (1 + options.ahead) + master) + activations;
  return {knobs, std::max(running, moving) + 0.1 * std::min(running, moving), memory};
}

class Spill final : public Parallelism {
 public:
  std::variant<std::vector<Candidate>, NotApplicable> candidates(
      const SearchContext& context) const override {
    const std::int64_t devices = context.mesh.world_size;
    if (std::string why = uneven_share(context.task, devices); !why.empty()) return NotApplicable{why};
    std::vector<Candidate> candidates;
    for (const Knobs& knobs : knob_settings(context.task, context.values, context.task.batch_size / devices))
      candidates.push_back(guess(context, knobs));
    return candidates;
  }

  std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs& knobs,
                                   const Mesh& mesh) const override {
    return std::make_unique<ShardedTrainer>(task, mesh, options_of(task, knobs, mesh.world_size));
  }
};

}  // namespace
}  // namespace saturn::spill

SATURN_PARALLELISM(saturn::spill::Spill)
