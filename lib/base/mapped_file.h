// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace saturn {

/// How many bytes a MappedFile of it would have, without opening it. Errors: SystemError, as by mapping it.
std::size_t mappable_size(const std::filesystem::path& path);

/// A file's bytes, mapped read-only, private. Movable; the bytes stay where they are.
class MappedFile {
 public:
  /// Errors: SystemError.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// Asks the kernel to read mapped bytes ahead of their use, and does not wait for it.
void read_ahead(std::span<const std::byte> mapped);

}  // namespace saturn
