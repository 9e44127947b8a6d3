// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "train/model.h"

namespace saturn {

/// A model of one's own: a shared object with a function that makes the chain of blocks (model.h says what a
/// block is). Its source ends with SATURN_MODEL(that function):
///
///   std::vector<std::unique_ptr<saturn::Block>> make_model(const saturn::ModelRequest& request) {
///     const std::int64_t depth = request.integer("depth", 2);
///     ...
///   }
///   SATURN_MODEL(make_model)
///
/// It is called by every rank, and several times: it allocates no tensors (a parameter is a slot), and what
/// it returns is a function of the request alone. The first block gets a batch's inputs (data.h), the last
/// one returns logits [..., classes] for cross_entropy. Whatever it throws ends the task with its text.

/// Raised by one when the interface changes in any way; the worker refuses a plug-in of another number.
inline constexpr std::uint32_t kModelAbi = 1;

/// What the task says about the model. Numbers that it does not say are 0.
struct ModelRequest {
  std::map<std::string, std::string> options;  ///< model.options, as written
  std::int64_t context = 0, vocabulary = 0;
  std::int64_t image = 0, channels = 0, classes = 0;

  std::string text(const std::string& option, const std::string& fallback) const;
  /// Errors: std::invalid_argument that names the option.
  std::int64_t integer(const std::string& option, std::int64_t fallback) const;
  double number(const std::string& option, double fallback) const;
};

using ModelBlocks = std::vector<std::unique_ptr<Block>>;

/// The model that the plug-in makes. The shared object stays open until the process ends. Errors: PluginError
/// that names it (cannot be opened, other interface, missing function, an exception of its own, a chain that
/// is none).
ModelBlocks make_plugin_blocks(const PluginModel& model);

}  // namespace saturn

#define SATURN_MODEL(function)                                                                   \
  extern "C" std::uint32_t saturn_model_abi() {                                                  \
    return ::saturn::kModelAbi;                                                                  \
  }                                                                                              \
  extern "C" ::saturn::ModelBlocks* saturn_model_create(const ::saturn::ModelRequest& request) { \
    return new ::saturn::ModelBlocks(function(request));                                         \
  }
