// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace saturn {

/// The whole file. Errors: SystemError.
std::string read_file(const std::filesystem::path& path);

/// Replaces the file as one step: writes `PATH.tmp.PID`, syncs it, renames it, syncs the directory. After an
/// error (SystemError: disk full, not writable) the old file is untouched and the temporary one removed. What
/// a symbolic link points to is replaced, not the link; a device or a pipe is refused.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Removes the files `NAME.tmp.PID` that writers killed in the middle have left in the directory (not below
/// it). For directories in which nobody is writing. Best effort: what cannot be removed stays.
void remove_temporary_files(const std::filesystem::path& directory);

/// Makes the names in the directory durable; does nothing where the file system cannot.
void sync_directory(const std::filesystem::path& directory);

/// mkdir -p. Errors: SystemError.
void make_directories(const std::filesystem::path& path);

/// Owns a file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

/// Writes all of `text`, retrying short writes. Returns 0 or an errno.
[[nodiscard]] int write_all(int fd, std::string_view text);

/// The last `lines` lines of a file, for error messages; empty when it cannot be read.
std::string tail_of_file(const std::filesystem::path& path, int lines);

/// 64-bit FNV-1a of the text as 16 hex digits: names artifacts by content (not a defence against malice).
std::string content_hash(std::string_view text);

/// Hash of a file's bytes as 16 hex digits, for large files: about ten times as fast as content_hash. Not a
/// defence against malice either. Errors: SystemError.
std::string file_hash(const std::filesystem::path& path);

}  // namespace saturn
