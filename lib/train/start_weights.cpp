// SPDX-License-Identifier: Apache-2.0
#include "train/start_weights.h"

#include <ATen/core/Tensor.h>
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <string_view>

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// What a file or folder holds.
std::vector<std::unique_ptr<CheckpointReader>> open_all(const fs::path& from) {
  std::vector<std::unique_ptr<CheckpointReader>> readers;
  if (!fs::is_directory(from)) {
    readers.push_back(open_safetensors(from));
    return readers;
  }
  if (fs::exists(from / "checkpoint.json")) {  // Saturn's own: a tensor may be in parts
    readers.push_back(std::make_unique<OpenedCheckpoint>(from));
    return readers;
  }
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(from))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  if (files.empty()) throw CheckpointError(fmt::format("there is no *.safetensors in {}", from.string()));
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) readers.push_back(open_safetensors(file));
  return readers;
}

class StartWeights final : public CheckpointReader {
 public:
  explicit StartWeights(const ModelSpec& spec) {
    for (const Parameter& tensor : build_model(spec).tensors()) model_.insert(tensor.name);
    readers_ = open_all(spec.start_from);
    for (const auto& reader : readers_)
      for (const std::string& name : reader->names()) add(*reader, name);
  }

  bool has(const std::string& name) const override { return sources_.contains(name); }
  at::Tensor tensor(const std::string& name) const override {
    const Source& source = source_of(name);
    return source.reader->tensor(source.name);
  }
  std::vector<std::int64_t> shape(const std::string& name) const override {
    const Source& source = source_of(name);
    return source.reader->shape(source.name);
  }
  void read(const std::string& name, std::int64_t offset, const at::Tensor& to) const override {
    const Source& source = source_of(name);
    source.reader->read(source.name, offset, to);
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, source] : sources_) all.push_back(name);
    return all;
  }

 private:
  struct Source {
    const CheckpointReader* reader;
    std::string name;  ///< in the file
  };

  const Source& source_of(const std::string& name) const {
    const auto found = sources_.find(name);
    if (found == sources_.end()) throw CheckpointError(fmt::format("there is no tensor '{}'", name));
    return found->second;
  }

  /// Of no use to a model that has no such tensor.
  static bool is_left_over(std::string_view name) {
    return name.starts_with("optimizer.") || name.ends_with(".attn.bias") ||
           name.ends_with(".attn.masked_bias") || name.ends_with(".attn.embed_positions") ||
           name.ends_with(".num_batches_tracked") || name == "lm_head.weight";
  }

  void add(const CheckpointReader& reader, const std::string& name) {
    const std::string prefixed = "transformer." + name;
    const bool known = model_.contains(name);
    if (!known && is_left_over(name)) return;
    const std::string& ours = !known && model_.contains(prefixed) ? prefixed : name;
    if (!sources_.emplace(ours, Source{&reader, name}).second)
      throw CheckpointError(fmt::format("the tensor '{}' is there twice", ours));
  }

  std::set<std::string> model_;
  std::vector<std::unique_ptr<CheckpointReader>> readers_;
  std::map<std::string, Source> sources_;  ///< by the model's names
};

}  // namespace

std::unique_ptr<CheckpointReader> open_start_weights(const ModelSpec& spec) {
  return std::make_unique<StartWeights>(spec);
}

}  // namespace saturn
