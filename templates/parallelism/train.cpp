// SPDX-License-Identifier: Apache-2.0
// A parallelism as short as can be: a replica on every device, gradients summed after the backward pass.
#include <ATen/ops/mul.h>
#include <c10/core/GradMode.h>
#include <cmath>

#include "train/agreement.h"
#include "train/optimizer.h"
#include "train/parallelism.h"
#include "train/rows.h"
#include "train/weights.h"

using namespace saturn;

struct AveragingTrainer final : Trainer {
  AveragingTrainer(const TaskSpec& of_task, const Mesh& of_mesh) : task(of_task), mesh(of_mesh) {}

  /// Of this rank's rows, each counted as its share of the global batch: sums over the ranks are means.
  double mean_loss(const GlobalBatch& batch, Pass pass) {
    const Rows mine = rows_of_rank(batch.rows(), mesh.rank, mesh.world_size);
    const Batch part = batch.slice(mine.begin, mine.end).to(mesh.device, precision.compute);
    at::Tensor loss = cross_entropy(model.forward(part.inputs, pass), part.targets);
    loss = at::mul(loss, batch.share(mine.count()));
    if (pass == Pass::kTrain) loss.backward();
    return agree_on_sum(*mesh.communicator, loss.item<double>());
  }
  StepResult step(const GlobalBatch& batch, double learning_rate) override {
    weights.clear_gradients();
    const double loss = mean_loss(batch, Pass::kTrain);
    std::vector<at::Tensor> gradients = weights.gradients();
    for (at::Tensor& gradient : gradients) {
      gradient = gradient.to(precision.master).contiguous();
      mesh.communicator->all_reduce(buffer_of(gradient), Reduction::kSum);
    }
    const double norm = std::sqrt(squared_norm(gradients));
    optimizer.step(gradients, learning_rate, clip_factor(norm, task.optimizer.clip));
    weights.refresh();
    return {loss, norm};
  }
  double evaluate(const GlobalBatch& batch) override {
    const c10::NoGradGuard no_gradients;
    return mean_loss(batch, Pass::kEvaluate);
  }
  void save(CheckpointWriter& writer) override {
    if (mesh.rank != 0) return;  // the replicas are equal
    optimizer.save(writer);
    optimizer.save_step(writer);
    save_slices(weights.buffers(), writer);
  }
  void load(const CheckpointReader& reader) override {
    check_fits(model.tensors(), reader);
    optimizer.load(reader);
    load_slices(weights.buffers(), reader);
    weights.refresh();
  }

  TaskSpec task;
  Mesh mesh;
  Precision precision = precision_of(task);
  Model model = build_model(task.model);
  Weights weights{model.blocks, precision, mesh.device, task.seed};
  AdamW optimizer{weights.masters(), task.optimizer};
};

struct Averaging final : Parallelism {
  std::variant<std::vector<Candidate>, NotApplicable> candidates(const SearchContext& c) const override {
    if (std::string why = uneven_share(c.task, c.mesh.world_size); !why.empty()) return NotApplicable{why};
    const std::int64_t rows = c.task.batch_size / c.mesh.world_size;
    const Bytes memory = 16 * c.costs.parameters() + c.costs.kept_bytes(rows, Keep::kEverything);
    return std::vector<Candidate>{{{}, c.costs.step_seconds(rows), memory}};
  }
  std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs&, const Mesh& mesh) const override {
    return std::make_unique<AveragingTrainer>(task, mesh);
  }
};

SATURN_PARALLELISM(Averaging)
