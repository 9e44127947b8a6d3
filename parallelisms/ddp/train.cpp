// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/Tensor.h>
#include <ATen/ops/mul.h>
#include <algorithm>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <optional>

#include "buckets.h"
#include "train/optimizer.h"
#include "train/parallelism.h"

namespace saturn::ddp {
namespace {

/// Rows [begin, end) of a global batch.
struct Rows {
  std::int64_t begin = 0, end = 0;
  std::int64_t count() const { return end - begin; }
};

class DdpTrainer final : public Trainer {
 public:
  DdpTrainer(const TaskSpec& task, const Knobs& knobs, const Mesh& mesh)
      : mesh_(mesh),
        clip_(task.optimizer.clip),
        micro_batch_(task.micro_batch_size),
        model_(build_model(task.model, task.seed)),  // from the seed: the same on every rank
        parameters_(model_.parameters()),
        optimizer_(parameters_, task.optimizer) {
    if (mesh.world_size == 1) return;  // gradients stay where they are made
    reducer_.emplace(*mesh.communicator, overlaps(knobs));
    buckets_.emplace(parameters_, std::stoll(knobs.at("bucket_mb")) << 20, *reducer_);
  }

  StepResult step(const GlobalBatch& batch, double learning_rate) override {
    optimizer_.clear_gradients();
    double loss = 0;
    const Rows mine = rows_of(batch);
    for (Rows rows = first_micro(mine); rows.count() > 0; rows = next_micro(rows, mine)) {
      loss += train_on(batch, rows, mine);
    }
    if (buckets_) buckets_->finish();
    const double average = 1.0 / mesh_.world_size;
    const double norm = gradient_norm(parameters_) * average;
    optimizer_.step(learning_rate, clip_factor(norm, clip_) * average);
    return {mean_over_ranks(loss), norm};
  }

  double evaluate(const GlobalBatch& batch) override {
    const c10::NoGradGuard no_gradients;
    const Rows mine = rows_of(batch);
    double sum = 0;
    for (Rows rows = first_micro(mine); rows.count() > 0; rows = next_micro(rows, mine)) {
      sum += loss_on(batch, rows).item<double>() * static_cast<double>(rows.count());
    }
    return mean_over_ranks(sum * mesh_.world_size) / static_cast<double>(batch.rows());
  }

  /// The replicas are equal: the first rank writes the weights, the last one the optimizer's state.
  void save(CheckpointWriter& writer) override {
    if (mesh_.rank == 0) save_parameters(parameters_, writer);
    if (mesh_.rank == mesh_.world_size - 1) optimizer_.save(writer);
  }
  void load(const CheckpointReader& reader) override {
    load_parameters(parameters_, reader);
    optimizer_.load(reader);
  }

 private:
  static bool overlaps(const Knobs& knobs) {
    const auto knob = knobs.find("overlap");
    return knob == knobs.end() || knob->second != "off";
  }

  Rows rows_of(const GlobalBatch& batch) const {
    return {batch.rows() * mesh_.rank / mesh_.world_size, batch.rows() * (mesh_.rank + 1) / mesh_.world_size};
  }
  Rows first_micro(Rows mine) const { return next_micro({mine.begin, mine.begin}, mine); }
  Rows next_micro(Rows rows, Rows mine) const {
    const std::int64_t size = micro_batch_ > 0 ? micro_batch_ : mine.count();
    return {rows.end, std::min(rows.end + size, mine.end)};
  }

  at::Tensor loss_on(const GlobalBatch& batch, Rows rows) const {
    const Batch part = batch.slice(rows.begin, rows.end);
    return cross_entropy(model_.forward(part.inputs), part.targets);
  }

  /// Forward and backward of one micro-batch; its share of this rank's mean loss.
  double train_on(const GlobalBatch& batch, Rows rows, Rows mine) {
    at::Tensor loss = loss_on(batch, rows);
    const double share = static_cast<double>(rows.count()) / static_cast<double>(mine.count());
    if (share != 1) loss = at::mul(loss, share);
    if (buckets_ && rows.end == mine.end) buckets_->arm();
    loss.backward();
    return loss.item<double>();
  }

  double mean_over_ranks(double value) const {
    mesh_.communicator->all_reduce({&value, 1, Dtype::kFloat64}, Reduction::kSum);
    return value / mesh_.world_size;
  }

  Mesh mesh_;
  double clip_;
  std::int64_t micro_batch_;
  Model model_;
  std::vector<Parameter> parameters_;
  AdamW optimizer_;
  std::optional<Buckets> buckets_;
  std::optional<Reducer> reducer_;  // its thread ends before the buckets do
};

class Ddp final : public Parallelism {
 public:
  std::variant<std::vector<Knobs>, NotApplicable> candidates(
      const TaskSpec& task, const Mesh& mesh,
      const std::map<std::string, std::vector<std::string>>& values) const override {
    if (task.batch_size % mesh.world_size != 0) {
      return NotApplicable{fmt::format("a batch of {} rows cannot be split evenly over {} devices",
                                       task.batch_size, mesh.world_size)};
    }
    if (mesh.world_size == 1) return std::vector<Knobs>{Knobs{}};  // nothing is reduced: no knob matters
    std::vector<Knobs> candidates{Knobs{{"bucket_mb", "25"}, {"overlap", "on"}}};
    for (const auto& [knob, choices] : values) candidates = with_choices(candidates, knob, choices);
    return candidates;
  }

  std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs& knobs,
                                   const Mesh& mesh) const override {
    return std::make_unique<DdpTrainer>(task, with_defaults(knobs), mesh);
  }

 private:
  static Knobs with_defaults(Knobs knobs) {
    knobs.try_emplace("bucket_mb", "25");
    return knobs;
  }
  static std::vector<Knobs> with_choices(const std::vector<Knobs>& settings, const std::string& knob,
                                         const std::vector<std::string>& choices) {
    std::vector<Knobs> all;
    for (const std::string& choice : choices) {
      for (Knobs setting : settings) {
        setting[knob] = choice;
        all.push_back(std::move(setting));
      }
    }
    return all.empty() ? settings : all;
  }
};

}  // namespace
}  // namespace saturn::ddp

SATURN_PARALLELISM(saturn::ddp::Ddp)
