// SPDX-License-Identifier: Apache-2.0
#include "workload/model_spec.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "workload/free_names.h"
#include "workload/limits.h"

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string>& kinds() {
  static const std::vector<std::string> all{"gpt", "gptj", "mlp", "vit", "resnet", "library"};
  return all;
}

const std::vector<std::string>& keys_of(const std::string& kind) {
  static const std::map<std::string, std::vector<std::string>> keys{
      {"gpt", {"layers", "heads", "width", "context", "vocabulary"}},
      {"gptj", {"layers", "heads", "width", "context", "vocabulary", "rotary"}},
      {"mlp", {"inputs", "layers", "width", "classes"}},
      {"vit", {"image", "channels", "patch", "layers", "heads", "width", "mlp_width", "pool", "classes"}},
      {"resnet", {"image", "channels", "stages", "width", "classes"}},
      {"library", {"library", "options", "context", "vocabulary", "image", "channels", "classes"}}};
  return keys.at(kind);
}

bool has_key(const std::string& kind, const std::string& key) {
  const std::vector<std::string>& keys = keys_of(kind);
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// The keys of all kinds, so that each kind is said to have the same.
void look_for_all_keys(MapReader& reader) {
  for (const char* key : {"kind", "preset", "library", "start_from"}) reader.value(key);
  for (const std::string& kind : kinds())
    for (const std::string& key : keys_of(kind)) reader.value(key);
}

void refuse_keys_of_others(MapReader& reader, const std::string& kind) {
  std::map<std::string, std::string> owners;
  for (const std::string& other : kinds())
    for (const std::string& key : keys_of(other)) owners[key] += (owners[key].empty() ? "" : ", ") + other;
  for (const auto& [key, all] : owners)
    if (reader.has(key) && !has_key(kind, key))
      reader.error(key, fmt::format("is a key of {}; this model's kind is {}", all, kind));
}

/// A size that has to be there unless a preset has set it.
void read_size(MapReader& reader, const char* key, std::int64_t max, std::int64_t& size) {
  if (size > 0 || reader.require(key)) size = reader.integer(key, size, 1, max);
}

void check_divides(MapReader& reader, const char* key, std::int64_t part, const char* whole_key,
                   std::int64_t whole) {
  if (part > 0 && whole > 0 && whole % part != 0)
    reader.error(key, fmt::format("is {}, which does not divide {} {}: every one gets an equal part", part,
                                  whole_key, whole));
}

template <class Transformer>
void read_transformer(MapReader& reader, Transformer& model) {
  read_size(reader, "layers", kMostLayers, model.layers);
  read_size(reader, "heads", kMostWidth, model.heads);
  read_size(reader, "width", kMostWidth, model.width);
  if (model.heads > 0 && model.width > 0 && model.width % model.heads != 0)
    reader.error("heads", fmt::format("is {}, which does not divide width {}: every head gets an equal part",
                                      model.heads, model.width));
}

template <class Language>
void read_language(MapReader& reader, Language& model) {
  read_transformer(reader, model);
  read_size(reader, "context", kMostTokens, model.context);
  model.vocabulary = reader.integer("vocabulary", model.vocabulary, 1, kMostTokens);
}

void read_gptj(MapReader& reader, GptjModel& model) {
  read_language(reader, model);
  model.rotary = reader.integer("rotary", model.rotary, 0, kMostWidth);
  if (model.heads == 0 || model.width % model.heads != 0) return;
  const std::int64_t head = model.width / model.heads;
  if (model.turning() % 2 != 0 || model.turning() > head)
    reader.error("rotary", fmt::format("is {}; the numbers of a head that turn go in pairs, and a head has "
                                       "{} (width / heads)",
                                       model.turning(), head));
}

void read_mlp(MapReader& reader, MlpModel& model) {
  read_size(reader, "inputs", kMostTokens, model.inputs);
  read_size(reader, "layers", kMostLayers, model.layers);
  read_size(reader, "width", kMostWidth, model.width);
  read_size(reader, "classes", kMostTokens, model.classes);
}

template <class Vision>
void read_image(MapReader& reader, Vision& model) {
  read_size(reader, "image", kMostPixels, model.image);
  model.channels = reader.integer("channels", model.channels, 1, kMostWidth);
  read_size(reader, "classes", kMostTokens, model.classes);
}

void read_vit(MapReader& reader, VitModel& model) {
  read_image(reader, model);
  read_size(reader, "patch", kMostPixels, model.patch);
  read_transformer(reader, model);
  model.mlp_width = reader.integer("mlp_width", model.mlp_width, 0, kMostWidth);
  model.pool = reader.choice("pool", model.pool, {"cls", "mean"});
  check_divides(reader, "patch", model.patch, "image", model.image);
}

void read_resnet(MapReader& reader, ResnetModel& model) {
  read_image(reader, model);
  if (model.stages.empty() ? reader.require("stages") : reader.has("stages"))
    model.stages = reader.integers("stages", 1, kMostLayers);
  if (model.stages.size() > kMostStages)
    reader.error("stages", fmt::format("has {} entries; an image is halved before each, and there can be {}",
                                       model.stages.size(), kMostStages));
  model.width = reader.integer("width", model.width, 1, kMostWidth);
}

void read_plugin(MapReader& reader, PluginModel& model) {
  if (reader.require("library")) model.library = reader.text("library");
  if (const Value* options = reader.value("options"))
    model.options = read_free_scalars(*options, "model.options", "option", reader.diagnostics());
  model.context = reader.integer("context", 0, 0, kMostTokens);
  model.vocabulary = reader.integer("vocabulary", 0, 0, kMostTokens);
  model.image = reader.integer("image", 0, 0, kMostPixels);
  model.channels = reader.integer("channels", model.channels, 1, kMostWidth);
  model.classes = reader.integer("classes", 0, 0, kMostTokens);
}

/// The sizes to begin with: the preset's, or none of the kind that the map says.
ModelSpec begin_model(MapReader& reader) {
  ModelSpec model;
  const std::string preset = reader.has("preset") ? reader.choice("preset", "", model_presets()) : "";
  if (!preset.empty()) model = model_preset(preset);
  if (reader.has("library")) model.kind = "library";
  const std::string kind = reader.choice("kind", model.kind, kinds());
  if (preset.empty())
    model.kind = kind;
  else if (kind != model.kind)
    reader.error("preset", fmt::format("'{}' is of kind {}, not {}", preset, model.kind, kind));
  return model;
}

void read_sizes(MapReader& reader, ModelSpec& model) {
  if (model.kind == "gpt") read_language(reader, model.gpt);
  if (model.kind == "gptj") read_gptj(reader, model.gptj);
  if (model.kind == "mlp") read_mlp(reader, model.mlp);
  if (model.kind == "vit") read_vit(reader, model.vit);
  if (model.kind == "resnet") read_resnet(reader, model.resnet);
  if (model.kind == "library") read_plugin(reader, model.plugin);
}

Json plugin_json(const PluginModel& m) {
  Json json{{"library", m.library}, {"options", m.options}};
  if (m.context > 0) json["context"] = m.context;
  if (m.vocabulary > 0) json["vocabulary"] = m.vocabulary;
  if (m.image > 0) json["image"] = m.image, json["channels"] = m.channels;
  if (m.classes > 0) json["classes"] = m.classes;
  return json;
}

/// The fields of the kind's struct.
Json sizes_json(const ModelSpec& model) {
  const GptModel& gpt = model.gpt;
  const GptjModel& gptj = model.gptj;
  const MlpModel& mlp = model.mlp;
  const VitModel& vit = model.vit;
  const ResnetModel& resnet = model.resnet;
  if (model.kind == "gptj")
    return {{"layers", gptj.layers},   {"heads", gptj.heads},           {"width", gptj.width},
            {"context", gptj.context}, {"vocabulary", gptj.vocabulary}, {"rotary", gptj.rotary}};
  if (model.kind == "mlp")
    return {{"inputs", mlp.inputs}, {"layers", mlp.layers}, {"width", mlp.width}, {"classes", mlp.classes}};
  if (model.kind == "vit")
    return {{"image", vit.image},         {"channels", vit.channels}, {"patch", vit.patch},
            {"layers", vit.layers},       {"heads", vit.heads},       {"width", vit.width},
            {"mlp_width", vit.mlp_width}, {"pool", vit.pool},         {"classes", vit.classes}};
  if (model.kind == "resnet")
    return {{"image", resnet.image},
            {"channels", resnet.channels},
            {"stages", resnet.stages},
            {"width", resnet.width},
            {"classes", resnet.classes}};
  if (model.kind == "library") return plugin_json(model.plugin);
  return {{"layers", gpt.layers},
          {"heads", gpt.heads},
          {"width", gpt.width},
          {"context", gpt.context},
          {"vocabulary", gpt.vocabulary}};
}

ModelInput tokens(std::int64_t context, std::int64_t vocabulary) {
  ModelInput input{ModelInput::Kind::kTokens};
  input.context = context, input.vocabulary = vocabulary;
  return input;
}

ModelInput images(std::int64_t image, std::int64_t channels, std::int64_t classes) {
  ModelInput input{ModelInput::Kind::kImages};
  input.image = image, input.channels = channels, input.classes = classes;
  input.numbers = channels * image * image;
  return input;
}

}  // namespace

ModelInput input_of(const ModelSpec& model) {
  const PluginModel& plugin = model.plugin;
  if (model.kind == "gpt") return tokens(model.gpt.context, model.gpt.vocabulary);
  if (model.kind == "gptj") return tokens(model.gptj.context, model.gptj.vocabulary);
  if (model.kind == "vit") return images(model.vit.image, model.vit.channels, model.vit.classes);
  if (model.kind == "resnet") return images(model.resnet.image, model.resnet.channels, model.resnet.classes);
  if (model.kind == "library" && plugin.context > 0) return tokens(plugin.context, plugin.vocabulary);
  if (model.kind == "library" && plugin.image > 0)
    return images(plugin.image, plugin.channels, plugin.classes);
  ModelInput input;
  if (model.kind == "mlp") {
    input.kind = ModelInput::Kind::kVectors;
    input.numbers = model.mlp.inputs, input.classes = model.mlp.classes;
  }
  return input;
}

ModelSpec read_model(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "model", diagnostics);
  look_for_all_keys(reader);
  ModelSpec model = begin_model(reader);
  refuse_keys_of_others(reader, model.kind);
  read_sizes(reader, model);
  model.start_from = reader.text("start_from");
  reader.finish();
  return model;
}

Json to_json(const ModelSpec& model) {
  Json json{{"kind", model.kind}};
  const Json sizes = sizes_json(model);
  for (const auto& [key, field] : sizes.items()) json[key] = field;
  if (!model.start_from.empty()) json["start_from"] = model.start_from;
  return json;
}

std::string describe(const ModelSpec& model) {
  std::string text = model.kind;
  const Json sizes = sizes_json(model);
  for (const auto& [key, field] : sizes.items()) {
    const Json& shown = key == "library" ? Json(model.plugin.content) : field;
    text += fmt::format(" {}={}", key, shown.is_string() ? shown.get<std::string>() : shown.dump());
  }
  return text;
}

}  // namespace saturn
