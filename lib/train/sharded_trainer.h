// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "train/chain.h"
#include "train/communication_queue.h"
#include "train/optimizer.h"
#include "train/parallelism.h"
#include "train/parameter_unit.h"
#include "train/rows.h"

namespace saturn {

/// How a ShardedTrainer keeps its weights and its activations.
struct ShardingOptions {
  std::int64_t micro_batch = 1;  ///< rows at once
  bool host = false;    ///< weights, gradients and optimizer state in host memory, updated by the CPU
  bool reshard = true;  ///< a block's weights go after its forward pass and come again for its backward pass;
                        ///< false: they stay till the end of the step
  int ahead = 1;        ///< blocks whose weights are brought before their turn: ahead + 1 are there at most
  Keep keep = Keep::kEverything;
  bool beside = true;  ///< weights and gradients travel while blocks run
};

/// Data-parallel training of a chain whose weights, gradients and optimizer state are divided among the ranks
/// and, with `host`, kept outside of the devices' memory. A block's weights are brought for its forward and
/// backward pass, ahead of use, and its gradients are sent away as soon as they are made. What fsdp and spill
/// have in common: with several ranks and weights on the devices this is ZeRO-3 (Rajbhandari et al., arXiv
/// 1910.02054), with one rank and weights in host memory it is spilling.
class ShardedTrainer final : public Trainer {
 public:
  ShardedTrainer(const TaskSpec& task, const Mesh& mesh, const ShardingOptions& options);

  StepResult step(const GlobalBatch& batch, double learning_rate) override;
  double evaluate(const GlobalBatch& batch) override;
  void save(CheckpointWriter& writer) override;
  void load(const CheckpointReader& reader) override;

 private:
  using Units = std::vector<std::size_t>;

  void make_units(const TaskSpec& task);
  void add_unit(const TaskSpec& task, const std::vector<Parameter>& parameters);
  std::vector<Slice> slices() const;
  std::vector<Slice> buffers() const;

  void request(std::size_t block);
  void bring(std::size_t block, int direction);
  void leave(std::size_t block);
  void leave_all();
  void send_gradients(std::size_t block);
  void finish_sending();

  at::Tensor run_blocks_forward(const at::Tensor& inputs, std::vector<BlockRun>& runs);
  double train_on(const GlobalBatch& batch, Rows rows);
  double evaluate_on(const GlobalBatch& batch, Rows rows);

  Mesh mesh_;
  Precision precision_;
  ShardingOptions options_;
  double clip_;
  Model model_;
  std::vector<std::unique_ptr<ParameterUnit>> units_;
  std::vector<Units> units_of_;  ///< by block
  AdamW optimizer_;
  std::vector<int> users_;  ///< of each unit: blocks that have requested it
  std::vector<bool> requested_;
  std::vector<CommunicationQueue::Ticket> gathered_;  ///< by unit
  std::vector<at::Tensor> sent_;                      ///< gradients under way
  CommunicationQueue::Ticket sent_ticket_ = 0;
  CommunicationQueue queue_;  // ends before what it uses
};

}  // namespace saturn
