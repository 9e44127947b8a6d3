// SPDX-License-Identifier: Apache-2.0
#include "train/tensor_file.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <stdexcept>
#include <utility>

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

at::ScalarType scalar_type(const SafetensorsEntry& entry) {
  for (const auto& [type, name] : kDtypes)
    if (entry.dtype == name) return type;
  throw CheckpointError(
      fmt::format("tensor '{}' has the dtype {}, which Saturn does not use", entry.name, entry.dtype));
}

std::span<const std::byte> bytes_of(const at::Tensor& dense) {
  return {static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()};
}

/// Returns the checksum. In chunks that are still in the processor's cache when they are copied.
std::uint64_t write_pieces(OutputFile& output, const PiecedTensor& tensor, const std::stop_token& stop) {
  constexpr std::size_t kChunk = 256U << 10;
  Checksum64 checksum;
  for (const at::Tensor& piece : tensor.pieces) {
    const at::Tensor dense = piece.detach().cpu().contiguous();
    std::span<const std::byte> left = bytes_of(dense);
    while (!left.empty()) {
      if (stop.stop_requested()) output.fail(ECANCELED);
      const auto chunk = left.first(std::min(kChunk, left.size()));
      checksum.add(chunk);
      output.write(chunk);
      left = left.subspan(chunk.size());
    }
  }
  return checksum.value();
}

constexpr std::size_t kWindow = 8U << 20;

/// Checks mapped bytes while the kernel reads those that follow.
std::uint64_t checksum_of_mapped(std::span<const std::byte> bytes) {
  const auto window = [bytes](std::size_t begin) {
    const auto from = bytes.subspan(std::min(begin, bytes.size()));
    return from.first(std::min(kWindow, from.size()));
  };
  Checksum64 checksum;
  read_ahead(window(0));
  for (std::size_t begin = 0; begin < bytes.size(); begin += kWindow) {
    read_ahead(window(begin + kWindow));
    checksum.add(window(begin));
  }
  return checksum.value();
}

}  // namespace

std::string dtype_name(at::ScalarType type) {
  for (const auto& [known, name] : kDtypes)
    if (known == type) return name;
  throw std::logic_error(fmt::format("tensors of type {} cannot be written", c10::toString(type)));
}

WrittenFile write_tensor_file(const std::filesystem::path& path, const std::vector<PiecedTensor>& tensors,
                              ReadAgain read_again, const std::stop_token& stop) {
  std::map<std::string, const PiecedTensor*> by_name;
  std::vector<SafetensorsEntry> entries;
  for (const PiecedTensor& tensor : tensors) {
    by_name[tensor.name] = &tensor;
    entries.push_back({tensor.name, dtype_name(tensor.pieces.front().scalar_type()), tensor.shape, 0, 0});
  }
  const std::string header = lay_out_safetensors(entries, {{"format", "pt"}});
  WrittenFile written{header.size(), checksum64(std::as_bytes(std::span(header))), {}};
  if (!entries.empty()) written.bytes += entries.back().end;
  OutputFile output(path, written.bytes);
  output.write(std::as_bytes(std::span(header)));
  for (const SafetensorsEntry& entry : entries)
    written.checksums.emplace_back(entry.name, write_pieces(output, *by_name.at(entry.name), stop));
  output.finish(read_again);
  return written;
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
}

void TensorFile::verify(const PartRecord& part) const {
  const SafetensorsEntry& entry = find(stored_name(part.name, part.shape, part.offset, part.elements));
  if (entry.dtype != part.dtype || elements_of(entry.shape) != part.elements)
    refuse(fmt::format("tensor '{}' is not of the dtype and size of the index", entry.name));
  if (checksum_of_mapped(bytes_of(entry)) != part.checksum)
    refuse(fmt::format("tensor '{}' does not have its checksum", entry.name));
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
