// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/empty.h>
#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/safetensors.h"
#include "train/checkpoint.h"
#include "train/tensor_file.h"

namespace saturn {

namespace fs = std::filesystem;
namespace {

struct StoredPart {
  std::size_t shard;
  PartRecord record;

  std::string name() const { return stored_name(record.name, record.shape, record.offset, record.elements); }
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
      tensor.parts.push_back({shard, part});
    }
  for (auto& [name, tensor] : tensors)
    std::sort(tensor.parts.begin(), tensor.parts.end(),
              [](const StoredPart& a, const StoredPart& b) { return a.record.offset < b.record.offset; });
  return tensors;
}

/// Runs `body`, whose errors mean that the checkpoint is damaged.
void refuse_damage(const fs::path& directory, const std::function<void()>& body) {
  const auto refuse = [&directory](const char* what) {
    throw CheckpointError(fmt::format("the checkpoint {} is damaged: {}", directory.string(), what));
  };
  try {
    body();
  } catch (const CheckpointError& error) {
    refuse(error.what());
  } catch (const SystemError& error) {
    refuse(error.what());
  }
}

}  // namespace

struct OpenedCheckpoint::Contents {
  fs::path directory;
  CheckpointState state;
  std::vector<TensorFile> shards;
  std::map<std::string, StoredTensor> tensors;

  Contents(const fs::path& from, VerifyShare share);
  void verify_share(const std::vector<ShardRecord>& records, VerifyShare share) const;
  const StoredTensor& find(const std::string& name) const {
    const auto found = tensors.find(name);
    if (found == tensors.end())
      throw CheckpointError(fmt::format("the checkpoint {} has no tensor '{}'", directory.string(), name));
    return found->second;
  }
};

OpenedCheckpoint::Contents::Contents(const fs::path& from, VerifyShare share) : directory(from) {
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
  verify_share(index.shards, share);
}

/// In the order of the files. A part belongs to the share in which its middle lies.
void OpenedCheckpoint::Contents::verify_share(const std::vector<ShardRecord>& records,
                                              VerifyShare share) const {
  if (share.ranks == 0) return;
  double all = 0, before = 0;
  for (const ShardRecord& record : records) all += static_cast<double>(record.bytes);
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (const PartRecord& part : records[i].parts) {
      const auto size =
          static_cast<double>(safetensors_element_size(part.dtype)) * static_cast<double>(part.elements);
      const double middle = before + size / 2;
      before += size;
      if (static_cast<int>(middle / all * share.ranks) == share.rank) shards[i].verify(part);
    }
  }
}

OpenedCheckpoint::OpenedCheckpoint(const fs::path& directory, VerifyShare share) {
  refuse_damage(directory, [&] { contents_ = std::make_unique<Contents>(directory, share); });
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
  const at::Tensor piece = contents_->shards[first.shard].tensor(first.name());
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
    const std::int64_t begin = part.record.offset;
    const std::int64_t from = std::max(offset, begin);
    const std::int64_t count = std::min(end, begin + part.record.elements) - from;
    if (count <= 0) continue;
    contents_->shards[part.shard].read(part.name(), from - begin, flat.narrow(0, from - offset, count));
  }
}

void OpenedCheckpoint::verify(const std::vector<std::string>& names) const {
  refuse_damage(contents_->directory, [&] {
    for (const std::string& name : names)
      for (const StoredPart& part : contents_->find(name).parts)
        contents_->shards[part.shard].verify(part.record);
  });
}

std::vector<at::Tensor> OpenedCheckpoint::pieces(const std::string& name) const {
  std::vector<at::Tensor> pieces;
  for (const StoredPart& part : contents_->find(name).parts)
    pieces.push_back(contents_->shards[part.shard].tensor(part.name()));
  return pieces;
}

std::vector<std::string> OpenedCheckpoint::names() const {
  std::vector<std::string> all;
  for (const auto& [name, tensor] : contents_->tensors) all.push_back(name);
  return all;
}

}  // namespace saturn
