// SPDX-License-Identifier: Apache-2.0
#include "train/model_plugin.h"

#include <charconv>
#include <exception>
#include <fmt/format.h>
#include <stdexcept>

#include "train/plugin_object.h"

namespace saturn {
namespace {

template <class Number>
Number parsed(const ModelRequest& request, const std::string& option, Number fallback, const char* what) {
  const auto found = request.options.find(option);
  if (found == request.options.end()) return fallback;
  const std::string& text = found->second;
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::invalid_argument(fmt::format("the option '{}' must be {}, not '{}'", option, what, text));
  return number;
}

/// Why the blocks are no chain that can be trained; "" when they are.
std::string problem_of(const ModelBlocks& blocks) {
  if (blocks.empty()) return "it has no blocks";
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i] == nullptr) return fmt::format("block {} is null", i);
    for (const std::vector<Parameter>* slots : {&blocks[i]->parameters(), &blocks[i]->buffers()}) {
      for (const Parameter& slot : *slots) {
        if (slot.name.empty()) return fmt::format("block {} has a tensor without a name", i);
        const auto [known, fresh] = shapes.emplace(slot.name, slot.shape);
        if (!fresh && known->second != slot.shape)
          return fmt::format("'{}' stands in two blocks in different shapes", slot.name);
      }
    }
  }
  return shapes.empty() ? "it has no parameters" : "";
}

}  // namespace

std::string ModelRequest::text(const std::string& option, const std::string& fallback) const {
  const auto found = options.find(option);
  return found == options.end() ? fallback : found->second;
}

std::int64_t ModelRequest::integer(const std::string& option, std::int64_t fallback) const {
  return parsed(*this, option, fallback, "a whole number");
}

double ModelRequest::number(const std::string& option, double fallback) const {
  return parsed(*this, option, fallback, "a number");
}

ModelBlocks make_plugin_blocks(const PluginModel& model) {
  const PluginObject object(fmt::format("the model plug-in {}", model.library), "SATURN_MODEL",
                            model.library);
  object.check_abi("saturn_model_abi", kModelAbi);
  auto* create = object.function<ModelBlocks*(const ModelRequest&)>("saturn_model_create");
  const ModelRequest request{
      model.options, model.context, model.vocabulary, model.image, model.image > 0 ? model.channels : 0,
      model.classes};
  std::unique_ptr<ModelBlocks> blocks;
  try {
    blocks.reset(create(request));
  } catch (const std::exception& error) {
    throw PluginError(fmt::format("the model plug-in {} failed: {}", model.library, error.what()));
  } catch (...) {
    throw PluginError(
        fmt::format("the model plug-in {} failed: it threw what is no std::exception", model.library));
  }
  const std::string problem = blocks == nullptr ? "it returned nothing" : problem_of(*blocks);
  if (!problem.empty())
    throw PluginError(fmt::format("the model plug-in {} made no model: {}", model.library, problem));
  return std::move(*blocks);
}

}  // namespace saturn
