// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "train/checkpoint.h"
#include "train/mapped_file.h"
#include "train/safetensors.h"

namespace saturn {

/// Writes and syncs a safetensors file, in place (no rename), each part by its stored_name(); returns what
/// was written. After an error (SystemError) the file is removed.
ShardRecord write_tensor_file(const std::filesystem::path& path, const std::vector<TensorPart>& parts,
                              const std::map<std::string, std::string>& metadata);

/// A safetensors file, mapped.
class TensorFile final : public CheckpointReader {
 public:
  /// Errors: CheckpointError (what is wrong with FILE NAME), SystemError.
  explicit TensorFile(const std::filesystem::path& path);

  /// Compares sizes and checksums. Errors: CheckpointError.
  void verify(const ShardRecord& record) const;

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
