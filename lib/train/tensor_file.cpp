// SPDX-License-Identifier: Apache-2.0
#include "train/tensor_file.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdexcept>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "train/checksum.h"

namespace saturn {
namespace {

constexpr std::array<std::pair<at::ScalarType, const char*>, 9> kDtypes{{{at::kFloat, "F32"},
                                                                         {at::kDouble, "F64"},
                                                                         {at::kBFloat16, "BF16"},
                                                                         {at::kHalf, "F16"},
                                                                         {at::kLong, "I64"},
                                                                         {at::kInt, "I32"},
                                                                         {at::kShort, "I16"},
                                                                         {at::kByte, "U8"},
                                                                         {at::kBool, "BOOL"}}};

std::string dtype_name(at::ScalarType type) {
  for (const auto& [known, name] : kDtypes)
    if (known == type) return name;
  throw std::logic_error(fmt::format("tensors of type {} cannot be written", c10::toString(type)));
}

at::ScalarType scalar_type(const SafetensorsEntry& entry) {
  for (const auto& [type, name] : kDtypes)
    if (entry.dtype == name) return type;
  throw CheckpointError(
      fmt::format("tensor '{}' has the dtype {}, which Saturn does not use", entry.name, entry.dtype));
}

std::span<const std::byte> bytes_of(const at::Tensor& dense) {
  return {static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()};
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A file being written, removed again unless it is finished.
class Output {
 public:
  explicit Output(std::filesystem::path path)
      : path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (!fd_) fail(errno);
  }
  void write(std::string_view text) {
    if (const int error = write_all(fd_.get(), text)) fail(error);
  }
  void finish() {
    if (::fsync(fd_.get()) != 0) fail(errno);
    if (::close(fd_.release()) != 0) fail(errno);
  }

 private:
  [[noreturn]] void fail(int error) {
    fd_.reset();
    ::unlink(path_.c_str());
    throw SystemError("write", path_.string(), error,
                      error == ENOSPC || error == EDQUOT ? "free space on that disk" : "");
  }

  std::filesystem::path path_;
  FileDescriptor fd_;
};

}  // namespace

ShardRecord write_tensor_file(const std::filesystem::path& path, const std::vector<TensorPart>& parts,
                              const std::map<std::string, std::string>& metadata) {
  std::map<std::string, const TensorPart*> by_name;
  std::vector<SafetensorsEntry> entries;
  for (const TensorPart& part : parts) {
    const std::string name = stored_name(part.name, part.shape, part.offset, part.values.numel());
    by_name[name] = &part;
    entries.push_back({name, dtype_name(part.values.scalar_type()), part.values.sizes().vec(), 0, 0});
  }
  const std::string header = lay_out_safetensors(entries, metadata);
  ShardRecord record{
      path.filename().string(), header.size(), checksum64(std::as_bytes(std::span(header))), {}};
  Output output(path);
  output.write(header);
  for (const SafetensorsEntry& entry : entries) {
    const TensorPart& part = *by_name.at(entry.name);
    const at::Tensor dense = part.values.detach().cpu().contiguous();
    output.write(as_text(bytes_of(dense)));
    record.parts.push_back(
        {part.name, entry.dtype, part.shape, part.offset, dense.numel(), checksum64(bytes_of(dense))});
    record.bytes += dense.nbytes();
  }
  output.finish();
  std::sort(record.parts.begin(), record.parts.end(), [](const PartRecord& a, const PartRecord& b) {
    return std::tie(a.name, a.offset) < std::tie(b.name, b.offset);
  });
  return record;
}

TensorFile::TensorFile(const std::filesystem::path& path) : name_(path.filename().string()), file_(path) {
  try {
    SafetensorsHeader header = parse_safetensors(file_.bytes(), file_.bytes().size());
    data_begin_ = header.data_begin;
    for (SafetensorsEntry& entry : header.entries) entries_[entry.name] = std::move(entry);
  } catch (const SafetensorsError& error) {
    refuse(error.what());
  }
}

void TensorFile::refuse(const std::string& what) const {
  throw CheckpointError(fmt::format("{}: {}", name_, what));
}

std::span<const std::byte> TensorFile::bytes_of(const SafetensorsEntry& entry) const {
  return file_.bytes().subspan(data_begin_ + entry.begin, entry.end - entry.begin);
}

void TensorFile::verify(const ShardRecord& record) const {
  if (file_.bytes().size() != record.bytes)
    refuse(fmt::format("it has {} bytes instead of {}", file_.bytes().size(), record.bytes));
  if (checksum64(file_.bytes().first(data_begin_)) != record.header_checksum)
    refuse("its header does not have its checksum");
  for (const PartRecord& part : record.parts) {
    const std::string name = stored_name(part.name, part.shape, part.offset, part.elements);
    const auto found = entries_.find(name);
    if (found == entries_.end()) refuse(fmt::format("tensor '{}' is missing", name));
    const SafetensorsEntry& entry = found->second;
    if (entry.dtype != part.dtype || elements_of(entry.shape) != part.elements)
      refuse(fmt::format("tensor '{}' is not of the dtype and size of the index", name));
    if (checksum64(bytes_of(entry)) != part.checksum)
      refuse(fmt::format("tensor '{}' does not have its checksum", name));
  }
}

const SafetensorsEntry& TensorFile::find(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) refuse(fmt::format("there is no tensor '{}'", name));
  return found->second;
}

at::Tensor TensorFile::view(const SafetensorsEntry& entry, std::int64_t offset,
                            const std::vector<std::int64_t>& shape) const {
  const at::ScalarType type = scalar_type(entry);
  const std::size_t size = c10::elementSize(type);
  const std::span<const std::byte> bytes = bytes_of(entry).subspan(
      static_cast<std::size_t>(offset) * size, static_cast<std::size_t>(elements_of(shape)) * size);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % size == 0)
    return at::from_blob(const_cast<std::byte*>(bytes.data()), shape, at::TensorOptions(type));
  // Only in files of other writers.
  at::Tensor copy = at::empty(shape, at::TensorOptions(type));
  std::memcpy(copy.mutable_data_ptr(), bytes.data(), bytes.size());
  return copy;
}

at::Tensor TensorFile::tensor(const std::string& name) const {
  const SafetensorsEntry& entry = find(name);
  return view(entry, 0, entry.shape);
}

void TensorFile::read(const std::string& name, std::int64_t offset, const at::Tensor& to) const {
  const SafetensorsEntry& entry = find(name);
  if (offset < 0 || offset + to.numel() > elements_of(entry.shape))
    throw std::logic_error(
        fmt::format("tensor '{}' has no elements [{}, {})", name, offset, offset + to.numel()));
  if (to.numel() > 0) to.detach().view(-1).copy_(view(entry, offset, {to.numel()}));
}

std::vector<std::string> TensorFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

}  // namespace saturn
