// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/document.h"

namespace saturn {

/// A GPT-2: `layers` transformer blocks of width `width`, `heads` attention heads, context of `context`
/// tokens.
struct GptModel {
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t width = 0;
  std::int64_t context = 0;
  std::int64_t vocabulary = 256;  ///< byte-level text needs 256

  bool operator==(const GptModel&) const = default;
};

/// A GPT-J: rotary positions, attention and perceptron side by side, a head of its own.
struct GptjModel {
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t width = 0;
  std::int64_t context = 0;
  std::int64_t vocabulary = 256;
  std::int64_t rotary = 0;  ///< of each head's numbers, those that turn with the position; 0 = all

  std::int64_t turning() const { return rotary > 0 ? rotary : width / heads; }
  bool operator==(const GptjModel&) const = default;
};

/// `layers` hidden layers of `width` over samples of `inputs` numbers.
struct MlpModel {
  std::int64_t inputs = 0;
  std::int64_t layers = 0;
  std::int64_t width = 0;
  std::int64_t classes = 0;

  bool operator==(const MlpModel&) const = default;
};

/// A vision transformer over square images of side `image` cut into patches of side `patch`.
struct VitModel {
  std::int64_t image = 0;
  std::int64_t channels = 3;
  std::int64_t patch = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t width = 0;
  std::int64_t mlp_width = 0;  ///< 0 = 4 x width
  std::int64_t classes = 0;
  std::string pool = "cls";  ///< cls: a class token | mean: of the patches, and no class token

  std::int64_t patches() const { return (image / patch) * (image / patch); }
  std::int64_t hidden() const { return mlp_width > 0 ? mlp_width : 4 * width; }
  bool operator==(const VitModel&) const = default;
};

/// A residual network of bottleneck blocks: `stages[i]` of them in stage i, whose inner width is width x 2^i.
struct ResnetModel {
  std::int64_t image = 0;
  std::int64_t channels = 3;
  std::vector<std::int64_t> stages;
  std::int64_t width = 64;
  std::int64_t classes = 0;

  bool operator==(const ResnetModel&) const = default;
};

/// A model of the user's: what the shared object makes of `options`. What it takes may be said, so that data
/// are checked against it: `context` and `vocabulary` (tokens), or `image`, `channels` and `classes`.
struct PluginModel {
  std::string library;  ///< absolute path
  std::string content;  ///< hash of its bytes; filled in when the workload is read
  std::map<std::string, std::string> options;
  std::int64_t context = 0, vocabulary = 0;
  std::int64_t image = 0, channels = 3, classes = 0;

  bool operator==(const PluginModel&) const = default;
};

/// What a task trains: the struct of its kind.
struct ModelSpec {
  std::string kind = "gpt";  ///< gpt | gptj | mlp | vit | resnet | library; empty: a script's own
  GptModel gpt;
  GptjModel gptj;
  MlpModel mlp;
  VitModel vit;
  ResnetModel resnet;
  PluginModel plugin;
  std::string
      start_from;  ///< weights: a safetensors file, or a folder of them; absolute. Empty = by the seed

  bool operator==(const ModelSpec&) const = default;
};

/// What a model takes. A number that is not known, or is not of this kind of input, is 0.
struct ModelInput {
  enum class Kind { kUnknown, kTokens, kImages, kVectors };
  Kind kind = Kind::kUnknown;
  std::int64_t context = 0, vocabulary = 0;  ///< tokens
  std::int64_t image = 0, channels = 0;      ///< images
  std::int64_t numbers = 0;                  ///< of a sample: images and vectors
  std::int64_t classes = 0;                  ///< images and vectors
};
ModelInput input_of(const ModelSpec& model);

/// Reads a task's `model`; a preset's sizes stand where the map has none. Reports what is wrong.
ModelSpec read_model(const Value& value, Diagnostics& diagnostics);

/// Key-ordered: the kind and the fields of its struct.
nlohmann::ordered_json to_json(const ModelSpec& model);

/// "gpt layers=2 heads=4 width=64 context=32 vocabulary=300": what the model's tensors and its work depend
/// on; of a plug-in its content in place of its path.
std::string describe(const ModelSpec& model);

/// The names of presets of all kinds.
std::vector<std::string> model_presets();
/// Its sizes. Errors: std::out_of_range.
ModelSpec model_preset(const std::string& name);

}  // namespace saturn
