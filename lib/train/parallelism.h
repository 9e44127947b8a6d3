// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "launch/event.h"
#include "train/checkpoint.h"
#include "train/communicator.h"
#include "train/data.h"
#include "train/model.h"
#include "train/model_costs.h"
#include "workload/knobs.h"
#include "workload/task.h"

namespace saturn {

/// Raised by one when the interface below changes in any way; the worker refuses a plug-in of another number.
inline constexpr std::uint32_t kParallelismAbi = 4;

/// The devices of one gang as one rank sees them. Not owned.
struct Mesh {
  Communicator* communicator = nullptr;
  int rank = 0;
  int world_size = 1;
  std::string device_kind = "cpu";
  Bytes memory_bytes = 0;        ///< budget of this rank's device; 0 = unlimited
  at::Device device = at::kCPU;  ///< where this rank's tensors live
  bool resumes = false;  ///< a trainer's first call is `load` of a checkpoint: nothing else need be in it
};

/// What a trainer's weights begin with: the task's seed, or nothing where a checkpoint is loaded anyway.
inline Seed initial_seed(const TaskSpec& task, const Mesh& mesh) {
  return mesh.resumes ? Seed() : Seed(task.seed);
}

/// What a search chooses from.
struct SearchContext {
  const TaskSpec& task;
  const Mesh& mesh;
  const ModelCosts& costs;
  const std::map<std::string, std::vector<std::string>>& values;  ///< the manifest's, by knob
};

/// A knob setting worth a trial, and what the cost model expects of it: those that pass the budget are not
/// tried, the fastest are tried first.
struct Candidate {
  Knobs knobs;
  double seconds = 0;      ///< of a step
  Bytes memory_bytes = 0;  ///< the least that the fullest rank needs; 0 = unknown
};

/// What one optimizer step did, the same on every rank.
struct StepResult {
  double loss = 0;           ///< mean over the global batch
  double gradient_norm = 0;  ///< of the global batch, before clipping
};

/// A model prepared for training on this rank's part of the mesh. One object per rank; every rank calls the
/// same methods in the same order. c10::OutOfMemoryError and CommunicatorError may come out of any of them.
class Trainer {
 public:
  virtual ~Trainer() = default;
  /// One optimizer step on a global batch; the trainer takes the rows that are its own. `learning_rate` is
  /// the schedule's.
  virtual StepResult step(const GlobalBatch& batch, double learning_rate) = 0;
  /// Mean loss over a global batch, without training.
  virtual double evaluate(const GlobalBatch& batch) = 0;
  /// Adds parameters ("NAME"), optimizer state ("optimizer.exp_avg.NAME", "optimizer.exp_avg_sq.NAME") in
  /// full shapes, so that any parallelism on any number of devices can load it. Each rank adds its part; a
  /// replicated tensor is added by one rank.
  virtual void save(CheckpointWriter& writer) = 0;
  /// Takes in what `save` of any parallelism wrote. A reader without optimizer state (weights to start from)
  /// leaves the optimizer as it is.
  virtual void load(const CheckpointReader& reader) = 0;
};

/// A way to train a model on a mesh: the paper's User-Pluggable Parallelism. Its `search` is candidates()
/// (the worker times them), its `execute` is prepare().
class Parallelism {
 public:
  virtual ~Parallelism() = default;
  /// The knob settings worth trying, out of the manifest's candidate values, or why none applies. Pure.
  virtual std::variant<std::vector<Candidate>, NotApplicable> candidates(
      const SearchContext& context) const = 0;
  /// Builds the model and the optimizer for this rank. The communicator outlives the trainer.
  virtual std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs& knobs,
                                           const Mesh& mesh) const = 0;
};

}  // namespace saturn

/// Ends the plug-in's source file: `SATURN_PARALLELISM(MyParallelism)` exports the two symbols that the
/// worker looks for.
#define SATURN_PARALLELISM(Type)                                  \
  extern "C" std::uint32_t saturn_parallelism_abi() {             \
    return ::saturn::kParallelismAbi;                             \
  }                                                               \
  extern "C" ::saturn::Parallelism* saturn_parallelism_create() { \
    return new Type();                                            \
  }
