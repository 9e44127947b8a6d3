// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <set>
#include <stdexcept>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "train/tensor_file.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexFile = "checkpoint.json";
constexpr const char* kWriting = ".writing";    // being written
constexpr const char* kReplaced = ".replaced";  // an older one of the same step, about to be removed
constexpr const char* kNote = ".json";          // beside each shard, until they are joined

fs::path staging(const fs::path& root, std::int64_t step) {
  return root / (checkpoint_name(step) + kWriting);
}

void remove_quietly(const fs::path& path) noexcept {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

void rename_directory(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw SystemError("rename", from.string(), errno);
}

/// The entries of a directory that may not exist, sorted by name.
std::vector<fs::path> entries_of(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error))
    entries.push_back(entry.path());
  if (error && error != std::errc::no_such_file_or_directory)
    throw SystemError("list", directory.string(), error.value());
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// The notes that the ranks left, joined and removed.
std::vector<ShardRecord> take_notes(const fs::path& directory) {
  std::vector<ShardRecord> shards;
  std::set<std::string> names;
  for (const fs::path& path : entries_of(directory)) {
    if (path.extension() != kNote) continue;
    shards.push_back(parse_shard_record(read_file(path)));
    for (const auto& [name, checksum] : shards.back().tensors)
      if (!names.insert(name).second)
        throw CheckpointError(fmt::format("tensor '{}' was added by two ranks", name));
    fs::remove(path);
  }
  return shards;
}

}  // namespace

void ShardWriter::add(const std::string& name, const at::Tensor& tensor) {
  for (const auto& [known, other] : tensors_)
    if (known == name) throw std::logic_error(fmt::format("tensor '{}' was added twice", name));
  tensors_.emplace_back(name, tensor);
}

Bytes ShardWriter::bytes() const {
  Bytes sum = 0;
  for (const auto& [name, tensor] : tensors_) sum += static_cast<Bytes>(tensor.nbytes());
  return sum;
}

void begin_checkpoint(const fs::path& root, std::int64_t step) {
  if (!fs::exists(root)) {
    make_directories(root);
    sync_directory(root.parent_path());  // or the first checkpoint is lost with the name of its folder
  }
  for (const fs::path& path : entries_of(root))
    if (path.extension() == kWriting || path.extension() == kReplaced) remove_quietly(path);
  make_directories(staging(root, step));
}

void write_shard(const fs::path& root, std::int64_t step, int rank, int ranks, const ShardWriter& shard) {
  if (shard.tensors().empty()) return;
  const fs::path path = staging(root, step) / fmt::format("model-{:05}-of-{:05}.safetensors", rank, ranks);
  const ShardRecord record = write_tensor_file(path, shard.tensors(), {{"format", "pt"}});
  write_file_atomically(path.string() + kNote, to_text(record));
}

fs::path commit_checkpoint(const fs::path& root, const CheckpointState& state) {
  const fs::path from = staging(root, state.step);
  const fs::path to = root / checkpoint_name(state.step);
  const fs::path replaced = to.string() + kReplaced;
  write_file_atomically(from / kIndexFile, to_text(CheckpointIndex{state, take_notes(from)}));
  // Only a damaged one can be there: training went past a step that it could not load.
  if (fs::exists(to)) rename_directory(to, replaced);
  rename_directory(from, to);
  sync_directory(root);
  remove_quietly(replaced);
  return to;
}

void discard_checkpoint(const fs::path& root, std::int64_t step) noexcept {
  remove_quietly(staging(root, step));
}

void prune_checkpoints(const fs::path& root, std::int64_t keep, std::int64_t step) {
  std::vector<fs::path> all = list_checkpoints(root);
  std::erase_if(all, [step](const fs::path& path) { return step_of_checkpoint(path.filename()) > step; });
  for (std::size_t i = static_cast<std::size_t>(std::max<std::int64_t>(keep, 1)); i < all.size(); ++i)
    remove_quietly(all[i]);
}

std::vector<fs::path> list_checkpoints(const fs::path& root) {
  std::vector<fs::path> found;
  for (const fs::path& path : entries_of(root))
    if (step_of_checkpoint(path.filename().string()) >= 0) found.push_back(path);
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    return step_of_checkpoint(a.filename().string()) > step_of_checkpoint(b.filename().string());
  });
  return found;
}

struct OpenedCheckpoint::Contents {
  fs::path directory;
  CheckpointState state;
  std::vector<TensorFile> shards;

  explicit Contents(const fs::path& from);
  const TensorFile* shard_with(const std::string& name) const {
    for (const TensorFile& shard : shards)
      if (shard.has(name)) return &shard;
    return nullptr;
  }
};

OpenedCheckpoint::Contents::Contents(const fs::path& from) : directory(from) {
  const std::string text = read_file(directory / kIndexFile);
  CheckpointIndex index;
  try {
    index = parse_checkpoint_index(text);
  } catch (const CheckpointError& error) {
    throw CheckpointError(fmt::format("{}: {}", kIndexFile, error.what()));
  }
  state = index.state;
  if (directory.filename() != checkpoint_name(state.step))
    throw CheckpointError(fmt::format("{}: it is of step {}", kIndexFile, state.step));
  for (const ShardRecord& record : index.shards) {
    shards.emplace_back(directory / record.file);
    shards.back().verify(record);
  }
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
  return contents_->shard_with(name) != nullptr;
}

at::Tensor OpenedCheckpoint::tensor(const std::string& name) const {
  const TensorFile* shard = contents_->shard_with(name);
  if (shard == nullptr)
    throw CheckpointError(
        fmt::format("the checkpoint {} has no tensor '{}'", contents_->directory.string(), name));
  return shard->tensor(name);
}

std::vector<std::string> OpenedCheckpoint::names() const {
  std::vector<std::string> all;
  for (const TensorFile& shard : contents_->shards) {
    const std::vector<std::string> names = shard.names();
    all.insert(all.end(), names.begin(), names.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::optional<OpenedCheckpoint> open_latest_checkpoint(const fs::path& root,
                                                       std::vector<std::string>& messages) {
  for (const fs::path& directory : list_checkpoints(root)) {
    try {
      return OpenedCheckpoint(directory);
    } catch (const CheckpointError& error) {
      messages.emplace_back(error.what());
    }
  }
  return std::nullopt;
}

void write_safetensors(const fs::path& path, const NamedTensors& tensors) {
  const fs::path temporary = fmt::format("{}.tmp.{}", path.string(), ::getpid());
  write_tensor_file(temporary, tensors, {{"format", "pt"}});
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw SystemError("write", path.string(), error);
  }
  sync_directory(path.parent_path());
}

std::unique_ptr<CheckpointReader> open_safetensors(const fs::path& path) {
  return std::make_unique<TensorFile>(path);
}

}  // namespace saturn
