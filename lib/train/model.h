// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "workload/task.h"

namespace saturn {

/// A parameter by the name it has in a checkpoint (the field's standard names:
/// "transformer.h.0.attn.c_attn.weight").
struct Parameter {
  std::string name;
  at::Tensor tensor;  ///< leaf, requires grad
  bool decay = true;  ///< weight decay applies (matrices: yes; biases and norms: no)
};

/// One link of a model's chain: consumes and produces one activation. Owns its parameters; a tied parameter
/// (the head's embedding) is the same tensor under the same name in two blocks.
class Block {
 public:
  virtual ~Block() = default;
  virtual const std::vector<Parameter>& parameters() const = 0;
  virtual at::Tensor forward(const at::Tensor& input) = 0;
};

/// A model as a chain of blocks (embedding, layers, head): what every parallelism works on.
struct Model {
  std::vector<std::unique_ptr<Block>> blocks;

  /// All parameters in chain order, tied ones once.
  std::vector<Parameter> parameters() const;
  /// inputs: [batch, context] int64 -> logits [batch, context, vocabulary].
  at::Tensor forward(const at::Tensor& inputs) const;
};

/// Builds the task's model with its initial weights: a function of the task's seed alone. float32, CPU.
Model build_model(const ModelSpec& spec, std::uint64_t seed);

/// "gpt layers=4 heads=4 width=128 context=64 vocabulary=256": what its tensors' names and shapes depend on.
std::string model_signature(const ModelSpec& spec);

/// Elements in all parameters, tied ones once; nothing is allocated.
std::int64_t parameter_count(const ModelSpec& spec);

/// Mean cross-entropy of logits [batch, context, vocabulary] against targets [batch, context] int64: a
/// scalar.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace saturn
