// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "train/sharded_trainer.h"

namespace saturn::fsdp {
namespace {

ShardingOptions options_of(const TaskSpec& task, const Knobs& knobs, int devices) {
  ShardingOptions options;
  options.micro_batch = micro_batch_rows(task, knobs, task.batch_size / devices);
  options.host = knob_value(knobs, "offload", "off") == "on";
  options.reshard = knob_value(knobs, "reshard", "on") == "on";
  options.keep = keep_of(knobs);
  return options;
}

/// README.md, "Cost model".
class CostModel {
 public:
  explicit CostModel(const SearchContext& context)
      : context_(context), devices_(context.mesh.world_size), precision_(precision_of(context.task)) {}

  Candidate guess(const Knobs& knobs) const {
    const ShardingOptions options = options_of(context_.task, knobs, context_.mesh.world_size);
    return {knobs, seconds(options), memory(options)};
  }

 private:
  double seconds(const ShardingOptions& options) const {
    const std::int64_t share = context_.task.batch_size / devices_;
    const std::int64_t portions = (share + options.micro_batch - 1) / options.micro_batch;
    const double compute = context_.costs.step_seconds(share) * time_factor(options.keep) *
                           accumulation_factor(share, options.micro_batch);
    const double others = static_cast<double>(devices_ - 1) / static_cast<double>(devices_);
    const double gathers = options.reshard ? 2.0 * static_cast<double>(portions) : 1;
    const double moved =
        others * (gathers * compute_bytes() + static_cast<double>(portions) * master_bytes());
    const double offloaded =
        options.host ? (gathers * compute_bytes() + master_bytes()) / static_cast<double>(devices_) : 0;
    return compute + (moved + offloaded) / context_.costs.copy_bytes_per_second;
  }

  Bytes memory(const ShardingOptions& options) const {
    std::int64_t largest = 0, second = 0;
    for (const BlockCost& block : context_.costs.blocks) {
      if (block.parameters > largest) {
        second = std::exchange(largest, block.parameters);
      } else {
        second = std::max(second, block.parameters);
      }
    }
    const Bytes parts = options.host ? 0 : 4 * context_.costs.parameters() * master() / devices_;
    const Bytes gathered =
        options.reshard ? (largest + second) * compute() : context_.costs.parameters() * compute();
    const Bytes activations = context_.costs.kept_bytes(options.micro_batch, options.keep);
    return parts + gathered + largest * master() + activations;
  }

  Bytes master() const { return static_cast<Bytes>(c10::elementSize(precision_.master)); }
  Bytes compute() const { return static_cast<Bytes>(c10::elementSize(precision_.compute)); }
  double master_bytes() const { return static_cast<double>(context_.costs.parameters() * master()); }
  double compute_bytes() const { return static_cast<double>(context_.costs.parameters() * compute()); }

  const SearchContext& context_;
  std::int64_t devices_;
  Precision precision_;
};

class Fsdp final : public Parallelism {
 public:
  std::variant<std::vector<Candidate>, NotApplicable> candidates(
      const SearchContext& context) const override {
    const std::int64_t devices = context.mesh.world_size;
    if (devices == 1)
      return NotApplicable{"one device has nobody to share with: ddp and spill are for one device"};
    if (std::string why = uneven_share(context.task, devices); !why.empty()) return NotApplicable{why};
    const CostModel model(context);
    std::vector<Candidate> candidates;
    for (const Knobs& knobs : knob_settings(context.task, context.values, context.task.batch_size / devices))
      candidates.push_back(model.guess(knobs));
    return candidates;
  }

  std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs& knobs,
                                   const Mesh& mesh) const override {
    return std::make_unique<ShardedTrainer>(task, mesh, options_of(task, knobs, mesh.world_size));
  }
};

}  // namespace
}  // namespace saturn::fsdp

SATURN_PARALLELISM(saturn::fsdp::Fsdp)
