// SPDX-License-Identifier: Apache-2.0
#include "workload/data_fit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace saturn {
namespace {

using Form = Content::Form;

/// Numbers too small are 0 when a plug-in does not say them.
bool too_small(std::int64_t has, std::int64_t needs) {
  return has > 0 && has < needs;
}

std::optional<Misfit> tokens_misfit(const ModelInput& input, const std::string& kind,
                                    const Content& content) {
  if (too_small(input.vocabulary, content.vocabulary)) {
    const char* why = kind == "text" ? " (one token a byte)" : "";
    return Misfit{"vocabulary", fmt::format("'vocabulary' must be at least {} for {} data{}, not {}",
                                            content.vocabulary, kind, why, input.vocabulary)};
  }
  if (content.form == Form::kTokens && content.shape[0] > input.context)
    return Misfit{"context", fmt::format("'context' is {}, and the data's rows have {} tokens", input.context,
                                         content.shape[0])};
  return std::nullopt;
}

std::optional<Misfit> image_misfit(const ModelInput& input, const Content& content) {
  const std::string theirs = fmt::format("the data's samples are {}", fmt::join(content.shape, " x "));
  if (content.shape.size() != 3 || content.shape[1] != content.shape[2])
    return Misfit{"image", fmt::format("{}, and the model takes channels x image x image", theirs)};
  if (content.shape[1] != input.image)
    return Misfit{"image", fmt::format("'image' is {}, and {}", input.image, theirs)};
  if (content.shape[0] != input.channels)
    return Misfit{"channels", fmt::format("'channels' is {}, and {}", input.channels, theirs)};
  return std::nullopt;
}

std::optional<Misfit> vector_misfit(const ModelInput& input, const Content& content) {
  std::int64_t numbers = 1;
  for (const std::int64_t extent : content.shape) numbers *= extent;
  if (numbers == input.numbers) return std::nullopt;
  return Misfit{"inputs", fmt::format("'inputs' is {}, and the data's samples have {} numbers ({})",
                                      input.numbers, numbers, fmt::join(content.shape, " x "))};
}

}  // namespace

std::optional<Misfit> find_misfit(const ModelSpec& model, const std::string& kind, const Content& content) {
  const ModelInput input = input_of(model);
  if (input.kind == ModelInput::Kind::kUnknown) {
    if (content.form != Form::kStream) return std::nullopt;
    return Misfit{
        "library",
        fmt::format("'context' is needed with {} data: they are cut into rows of that many tokens", kind)};
  }
  const bool takes_tokens = input.kind == ModelInput::Kind::kTokens;
  if (takes_tokens != (content.form != Form::kSamples))
    return Misfit{"kind", fmt::format("a {} takes {}, and {} data are {}", model.kind,
                                      takes_tokens ? "tokens" : "samples with a class each", kind,
                                      takes_tokens ? "samples with a class each" : "tokens")};
  if (takes_tokens) return tokens_misfit(input, kind, content);
  const auto misfit =
      input.kind == ModelInput::Kind::kImages ? image_misfit(input, content) : vector_misfit(input, content);
  if (misfit) return misfit;
  if (!too_small(input.classes, content.classes)) return std::nullopt;
  return Misfit{"classes", fmt::format("'classes' is {}, and the data's labels go up to {}", input.classes,
                                       content.classes - 1)};
}

std::optional<Misfit> find_synthetic_misfit(const ModelSpec& model) {
  const ModelInput input = input_of(model);
  const bool tokens = input.kind == ModelInput::Kind::kTokens;
  if (tokens ? input.vocabulary > 0 : input.classes > 0) return std::nullopt;
  return Misfit{"library",
                "synthetic data are made after what the model takes: give 'context' and 'vocabulary', or "
                "'image', 'channels' and 'classes'"};
}

void report_misfit(const Value& model, const std::optional<Misfit>& misfit, Diagnostics& diagnostics) {
  if (!misfit) return;
  const Value* value = model.find(misfit->key);
  diagnostics.error(value == nullptr ? model.mark : value->mark, "model: " + misfit->message);
}

}  // namespace saturn
