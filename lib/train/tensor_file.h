// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <filesystem>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/safetensors.h"
#include "train/checkpoint.h"
#include "train/output_file.h"

namespace saturn {

/// A tensor to be written: its elements in consecutive pieces, of one dtype, any device and layout.
struct PiecedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<at::Tensor> pieces;
};

/// "F32", ... Errors: std::logic_error for a type that is not written.
std::string dtype_name(at::ScalarType type);

struct WrittenFile {
  std::uint64_t bytes = 0;
  std::uint64_t header_checksum = 0;                             ///< of all bytes before the tensors'
  std::vector<std::pair<std::string, std::uint64_t>> checksums;  ///< of the tensors' bytes, in their order
};

/// Writes and syncs a safetensors file, in place (no rename), with the metadata {"format": "pt"} that Hugging
/// Face's loaders ask for; no piece is copied as a whole that is dense CPU memory. After an error
/// (SystemError; also when `stop` was asked for meanwhile) the file is removed.
WrittenFile write_tensor_file(const std::filesystem::path& path, const std::vector<PiecedTensor>& tensors,
                              ReadAgain read_again, const std::stop_token& stop = {});

/// A safetensors file, mapped.
class TensorFile final : public CheckpointReader {
 public:
  /// Errors: CheckpointError (what is wrong with FILE NAME), SystemError.
  explicit TensorFile(const std::filesystem::path& path);

  /// Compares sizes, and the header's checksum. Errors: CheckpointError.
  void verify(const ShardRecord& record) const;
  /// Reads a part's bytes and compares their checksum. Errors: CheckpointError.
  void verify(const PartRecord& part) const;

  bool has(const std::string& name) const override { return entries_.contains(name); }
  at::Tensor tensor(const std::string& name) const override;
  std::vector<std::int64_t> shape(const std::string& name) const override { return find(name).shape; }
  void read(const std::string& name, std::int64_t offset, const at::Tensor& to) const override;
  std::vector<std::string> names() const override;

 private:
  const SafetensorsEntry& find(const std::string& name) const;
  /// Elements [offset, offset + count) as a tensor of this shape, which is a view where it can be.
  at::Tensor view(const SafetensorsEntry& entry, std::int64_t offset,
                  const std::vector<std::int64_t>& shape) const;
  std::span<const std::byte> bytes_of(const SafetensorsEntry& entry) const;
  [[noreturn]] void refuse(const std::string& what) const;

  std::string name_;  ///< of the file, without its directory
  MappedFile file_;
  std::uint64_t data_begin_ = 0;
  std::map<std::string, SafetensorsEntry> entries_;
};

}  // namespace saturn
