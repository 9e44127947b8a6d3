// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <stdexcept>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "train/tensor_file.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

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
  for (const fs::path& path : entries_of(directory)) {
    if (path.extension() != kNote) continue;
    shards.push_back(parse_shard_record(read_file(path)));
    fs::remove(path);
  }
  check_parts(shards);
  return shards;
}

ShardRecord record_of(const fs::path& path, const std::map<std::string, TensorPart>& parts,
                      const WrittenFile& written) {
  ShardRecord record{path.filename().string(), written.bytes, written.header_checksum, {}};
  for (const auto& [stored, checksum] : written.checksums) {
    const TensorPart& part = parts.at(stored);
    record.parts.push_back({part.name, dtype_name(part.values.scalar_type()), part.shape, part.offset,
                            part.values.numel(), checksum});
  }
  return record;
}

/// One safetensors file, replaced as one step.
void replace_tensor_file(const fs::path& path, const std::vector<PiecedTensor>& tensors) {
  const fs::path temporary = fmt::format("{}.tmp.{}", path.string(), ::getpid());
  write_tensor_file(temporary, tensors, ReadAgain::kMaybe);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw SystemError("write", path.string(), error);
  }
  sync_directory(path.parent_path());
}

}  // namespace

std::vector<std::int64_t> CheckpointReader::shape(const std::string& name) const {
  return tensor(name).sizes().vec();
}

void CheckpointReader::read(const std::string& name, std::int64_t offset, const at::Tensor& to) const {
  const at::Tensor from = tensor(name).reshape(-1).narrow(0, offset, to.numel());
  to.detach().view(-1).copy_(from);
}

void ShardWriter::add(const std::string& name, const at::Tensor& tensor) {
  insert({name, tensor.sizes().vec(), 0, tensor});
}

void ShardWriter::add_part(const std::string& name, const std::vector<std::int64_t>& shape,
                           std::int64_t offset, const at::Tensor& part) {
  const std::int64_t elements = elements_of(shape);
  if (offset < 0 || offset + part.numel() > elements)
    throw std::logic_error(fmt::format("tensor '{}' has {} elements, not [{}, {})", name, elements, offset,
                                       offset + part.numel()));
  if (part.numel() == elements) return add(name, part.reshape(shape));
  if (part.numel() > 0) insert({name, shape, offset, part.reshape(-1)});
}

void ShardWriter::insert(TensorPart part) {
  if (part.name.find('#') != std::string::npos)
    throw std::logic_error(fmt::format("tensor '{}': a '#' in the name is for parts", part.name));
  if (!stored_.insert(stored_name(part.name, part.shape, part.offset, part.values.numel())).second)
    throw std::logic_error(fmt::format("tensor '{}' was added twice", part.name));
  parts_.push_back(std::move(part));
}

Bytes ShardWriter::bytes() const {
  Bytes sum = 0;
  for (const TensorPart& part : parts_) sum += static_cast<Bytes>(part.values.nbytes());
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

void write_shard(const ShardPlace& place, const std::vector<TensorPart>& parts, const std::stop_token& stop) {
  if (parts.empty()) return;
  const fs::path path = staging(place.root, place.step) /
                        fmt::format("model-{:05}-of-{:05}.safetensors", place.rank, place.ranks);
  std::map<std::string, TensorPart> by_name;
  std::vector<PiecedTensor> tensors;
  for (const TensorPart& part : parts) {
    const std::string stored = stored_name(part.name, part.shape, part.offset, part.values.numel());
    by_name[stored] = part;
    tensors.push_back({stored, part.values.sizes().vec(), {part.values}});
  }
  const WrittenFile written = write_tensor_file(path, tensors, place.read_again, stop);
  write_file_atomically(path.string() + kNote, to_text(record_of(path, by_name, written)));
}

fs::path commit_checkpoint(const fs::path& root, const CheckpointState& state) {
  const fs::path from = staging(root, state.step);
  const fs::path to = root / checkpoint_name(state.step);
  const fs::path replaced = to.string() + kReplaced;
  write_file_atomically(from / kCheckpointIndexFile, to_text(CheckpointIndex{state, take_notes(from)}));
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

void write_safetensors(const fs::path& path, const NamedTensors& tensors) {
  std::vector<PiecedTensor> whole;
  for (const auto& [name, tensor] : tensors) whole.push_back({name, tensor.sizes().vec(), {tensor}});
  replace_tensor_file(path, whole);
}

void write_weights(const fs::path& path, const OpenedCheckpoint& checkpoint) {
  std::vector<std::string> names = checkpoint.names();
  std::erase_if(names, [](const std::string& name) { return name.starts_with("optimizer."); });
  checkpoint.verify(names);
  std::vector<PiecedTensor> weights;
  for (const std::string& name : names)
    weights.push_back({name, checkpoint.shape(name), checkpoint.pieces(name)});
  replace_tensor_file(path, weights);
}

std::unique_ptr<CheckpointReader> open_safetensors(const fs::path& path) {
  return std::make_unique<TensorFile>(path);
}

}  // namespace saturn
