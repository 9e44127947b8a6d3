// SPDX-License-Identifier: Apache-2.0
#include "train/tensor_file.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdexcept>
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

ShardRecord write_tensor_file(const std::filesystem::path& path, const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::map<std::string, at::Tensor> by_name(tensors.begin(), tensors.end());
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, tensor] : tensors)
    entries.push_back({name, dtype_name(tensor.scalar_type()), tensor.sizes().vec(), 0, 0});
  const std::string header = lay_out_safetensors(entries, metadata);
  ShardRecord record{
      path.filename().string(), header.size(), checksum64(std::as_bytes(std::span(header))), {}};
  Output output(path);
  output.write(header);
  for (const SafetensorsEntry& entry : entries) {
    const at::Tensor dense = by_name.at(entry.name).detach().cpu().contiguous();
    output.write(as_text(bytes_of(dense)));
    record.tensors[entry.name] = checksum64(bytes_of(dense));
    record.bytes += dense.nbytes();
  }
  output.finish();
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
  for (const auto& [name, checksum] : record.tensors) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) refuse(fmt::format("tensor '{}' is missing", name));
    if (checksum64(bytes_of(found->second)) != checksum)
      refuse(fmt::format("tensor '{}' does not have its checksum", name));
  }
}

at::Tensor TensorFile::tensor(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) refuse(fmt::format("there is no tensor '{}'", name));
  const SafetensorsEntry& entry = found->second;
  const std::span<const std::byte> bytes = bytes_of(entry);
  const at::ScalarType type = scalar_type(entry);
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % c10::elementSize(type) == 0;
  if (aligned)
    return at::from_blob(const_cast<std::byte*>(bytes.data()), entry.shape, at::TensorOptions(type));
  // Only in files of other writers.
  at::Tensor copy = at::empty(entry.shape, at::TensorOptions(type));
  std::memcpy(copy.mutable_data_ptr(), bytes.data(), bytes.size());
  return copy;
}

std::vector<std::string> TensorFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

}  // namespace saturn
