// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "workload/task.h"

namespace saturn {

/// How a parameter begins.
struct Start {
  enum class Kind { kZeros, kOnes, kNormal };
  Kind kind = Kind::kNormal;
  double deviation = 0.02;  ///< of kNormal, whose mean is 0

  static Start zeros() { return {Kind::kZeros, 0}; }
  static Start ones() { return {Kind::kOnes, 0}; }
  static Start normal(double deviation) { return {Kind::kNormal, deviation}; }
};

/// A parameter by the name it has in a checkpoint (the field's standard names:
/// "transformer.h.0.attn.c_attn.weight"), or a buffer that is kept but not trained. A slot: it has no memory
/// until whoever trains puts a tensor into it.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  Start start;
  bool decay = true;  ///< weight decay applies (matrices: yes; biases and norms: no)
  at::Tensor tensor;  ///< of a parameter: a leaf that requires grad

  std::int64_t elements() const;
};

/// What a block's forward is for.
enum class Pass {
  kTrain,
  kRecompute,  ///< the same again for the backward pass: whatever it counts or averages it counted before
  kEvaluate,
};

/// One link of a model's chain: consumes and produces one activation. A tied parameter (the head's
/// embedding) stands under the same name in two blocks, and gets the same tensor. A block's result is a
/// function of its input, its parameters and its buffers alone, in the dtype of its parameters.
class Block {
 public:
  explicit Block(std::vector<Parameter> parameters, std::vector<Parameter> buffers = {})
      : parameters_(std::move(parameters)), buffers_(std::move(buffers)) {}
  virtual ~Block() = default;

  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Running statistics and the like: part of a checkpoint, written by forward in Pass::kTrain alone.
  std::vector<Parameter>& buffers() { return buffers_; }
  const std::vector<Parameter>& buffers() const { return buffers_; }

  virtual at::Tensor forward(const at::Tensor& input, Pass pass) = 0;

 protected:
  const at::Tensor& at(std::size_t index) const { return parameters_[index].tensor; }

 private:
  std::vector<Parameter> parameters_, buffers_;
};

/// A model as a chain of blocks (embedding, layers, head): what every parallelism works on.
struct Model {
  std::vector<std::unique_ptr<Block>> blocks;

  /// All parameters in chain order, tied ones once.
  std::vector<Parameter> parameters() const;
  std::vector<Parameter> buffers() const;
  /// Both: what a checkpoint of the model holds.
  std::vector<Parameter> tensors() const;
  /// Through the whole chain. For a gpt: [batch, context] int64 -> logits [batch, context, vocabulary].
  at::Tensor forward(const at::Tensor& inputs, Pass pass = Pass::kTrain) const;
};

/// The task's model without any memory in its slots.
Model build_model(const ModelSpec& spec);

/// Of initial values; none: they are not drawn, and tensors hold anything until they are written to.
using Seed = std::optional<std::uint64_t>;

/// The value that a parameter starts with: a function of the seed, its name and its shape alone. float32,
/// CPU.
at::Tensor initial_value(const Parameter& parameter, Seed seed);

/// Puts a tensor with the initial value into every slot of the blocks, tied ones the same. Buffers are
/// float32 at least: averages need more digits than weights that are computed with.
void materialize(std::span<const std::unique_ptr<Block>> blocks, Seed seed, const at::TensorOptions& options);

/// Both: float32, CPU.
Model build_model(const ModelSpec& spec, std::uint64_t seed);

/// "gpt layers=4 heads=4 width=128 context=64 vocabulary=256": what its tensors' names and shapes depend on.
std::string model_signature(const ModelSpec& spec);

/// Elements in all parameters, tied ones once; nothing is allocated.
std::int64_t parameter_count(const ModelSpec& spec);

/// Mean cross-entropy of logits [..., classes] against targets [...] int64: a scalar.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace saturn
