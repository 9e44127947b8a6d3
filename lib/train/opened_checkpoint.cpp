// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/empty.h>
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "train/checkpoint.h"
#include "train/tensor_file.h"

namespace saturn {

namespace fs = std::filesystem;
namespace {

struct StoredPart {
  std::size_t shard;
  std::string name;  ///< in the shard
  std::int64_t offset, elements;
};

struct StoredTensor {
  std::vector<std::int64_t> shape;
  std::vector<StoredPart> parts;  ///< sorted; they make the whole tensor
};

/// Where the parts of all tensors are.
std::map<std::string, StoredTensor> tensors_in(const std::vector<ShardRecord>& shards) {
  std::map<std::string, StoredTensor> tensors;
  for (std::size_t shard = 0; shard < shards.size(); ++shard)
    for (const PartRecord& part : shards[shard].parts) {
      StoredTensor& tensor = tensors[part.name];
      tensor.shape = part.shape;
      tensor.parts.push_back({shard, stored_name(part.name, part.shape, part.offset, part.elements),
                              part.offset, part.elements});
    }
  for (auto& [name, tensor] : tensors)
    std::sort(tensor.parts.begin(), tensor.parts.end(),
              [](const StoredPart& a, const StoredPart& b) { return a.offset < b.offset; });
  return tensors;
}

}  // namespace

struct OpenedCheckpoint::Contents {
  fs::path directory;
  CheckpointState state;
  std::vector<TensorFile> shards;
  std::map<std::string, StoredTensor> tensors;

  explicit Contents(const fs::path& from);
  const StoredTensor& find(const std::string& name) const {
    const auto found = tensors.find(name);
    if (found == tensors.end())
      throw CheckpointError(fmt::format("the checkpoint {} has no tensor '{}'", directory.string(), name));
    return found->second;
  }
};

OpenedCheckpoint::Contents::Contents(const fs::path& from) : directory(from) {
  const std::string text = read_file(directory / kCheckpointIndexFile);
  CheckpointIndex index;
  try {
    index = parse_checkpoint_index(text);
  } catch (const CheckpointError& error) {
    throw CheckpointError(fmt::format("{}: {}", kCheckpointIndexFile, error.what()));
  }
  state = index.state;
  if (directory.filename() != checkpoint_name(state.step))
    throw CheckpointError(fmt::format("{}: it is of step {}", kCheckpointIndexFile, state.step));
  for (const ShardRecord& record : index.shards) {
    shards.emplace_back(directory / record.file);
    shards.back().verify(record);
  }
  tensors = tensors_in(index.shards);
}

OpenedCheckpoint::OpenedCheckpoint(const fs::path& directory) {
  const auto refuse = [&directory](const char* what) {
    throw CheckpointError(fmt::format("the checkpoint {} is damaged: {}", directory.string(), what));
  };
  try {
    contents_ = std::make_unique<Contents>(directory);
  } catch (const CheckpointError& error) {
    refuse(error.what());
  } catch (const SystemError& error) {
    refuse(error.what());
  }
}

OpenedCheckpoint::OpenedCheckpoint(OpenedCheckpoint&&) noexcept = default;
OpenedCheckpoint& OpenedCheckpoint::operator=(OpenedCheckpoint&&) noexcept = default;
OpenedCheckpoint::~OpenedCheckpoint() = default;

const CheckpointState& OpenedCheckpoint::state() const {
  return contents_->state;
}

const fs::path& OpenedCheckpoint::directory() const {
  return contents_->directory;
}

bool OpenedCheckpoint::has(const std::string& name) const {
  return contents_->tensors.contains(name);
}

at::Tensor OpenedCheckpoint::tensor(const std::string& name) const {
  const StoredTensor& stored = contents_->find(name);
  const StoredPart& first = stored.parts.front();
  const at::Tensor piece = contents_->shards[first.shard].tensor(first.name);
  if (stored.parts.size() == 1) return piece;
  at::Tensor whole = at::empty(stored.shape, piece.options());
  read(name, 0, whole);
  return whole;
}

std::vector<std::int64_t> OpenedCheckpoint::shape(const std::string& name) const {
  return contents_->find(name).shape;
}

void OpenedCheckpoint::read(const std::string& name, std::int64_t offset, const at::Tensor& to) const {
  const StoredTensor& stored = contents_->find(name);
  const std::int64_t end = offset + to.numel();
  if (offset < 0 || end > elements_of(stored.shape))
    throw std::logic_error(fmt::format("tensor '{}' has no elements [{}, {})", name, offset, end));
  const at::Tensor flat = to.detach().view(-1);
  for (const StoredPart& part : stored.parts) {
    const std::int64_t from = std::max(offset, part.offset);
    const std::int64_t count = std::min(end, part.offset + part.elements) - from;
    if (count <= 0) continue;
    contents_->shards[part.shard].read(part.name, from - part.offset, flat.narrow(0, from - offset, count));
  }
}

std::vector<std::string> OpenedCheckpoint::names() const {
  std::vector<std::string> all;
  for (const auto& [name, tensor] : contents_->tensors) all.push_back(name);
  return all;
}

}  // namespace saturn
