// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <numeric>
#include <span>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"

namespace saturn {
namespace {

constexpr const char* kDiskAdvice = "free space on that disk or choose another directory";

std::string advice_for(int error) {
  return error == ENOSPC || error == EDQUOT ? kDiskAdvice : "";
}

/// Writes, syncs and closes; 0 or an errno (close reports a late write error on network disks).
int fill(const std::filesystem::path& path, std::string_view text) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return errno;
  if (const int error = write_all(fd.get(), text)) return error;
  if (::fsync(fd.get()) != 0) return errno;
  return ::close(fd.release()) == 0 ? 0 : errno;
}

std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;  // odd, its bits without a pattern: 2^64 / golden ratio
  return hash ^ (hash >> 32);  // the product's low bits know nothing of the word's high ones
}

/// The file that a rename may replace: behind links, and never a device (root would lose /dev/null).
std::filesystem::path replaceable(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return path;
  if (!std::filesystem::is_regular_file(status) && !std::filesystem::is_directory(status))
    throw SystemError("write", path.string(), "it is not a regular file", "name another file");
  if (!std::filesystem::is_symlink(path, error)) return path;
  const auto target = std::filesystem::canonical(path, error);
  return error ? path : target;
}

/// `NAME.tmp.PID`
bool is_temporary(std::string_view name) {
  constexpr std::string_view kMiddle = ".tmp.";
  const size_t at = name.rfind(kMiddle);
  if (at == std::string_view::npos || at == 0) return false;
  const std::string_view pid = name.substr(at + kMiddle.size());
  return !pid.empty() && pid.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

void sync_directory(const std::filesystem::path& directory) {
  const FileDescriptor fd(
      ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) ::fsync(fd.get());  // best effort: not every file system can
}

std::string read_file(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw SystemError("read", path.string(), errno);
  std::string text;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw SystemError("read", path.string(), errno);
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path target = replaceable(path);
  const std::filesystem::path temporary = fmt::format("{}.tmp.{}", target.string(), ::getpid());
  int error = fill(temporary, text);
  if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    throw SystemError("write", path.string(), error, advice_for(error));
  }
  sync_directory(target.parent_path());
}

void remove_temporary_files(const std::filesystem::path& directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_temporary(entry->path().filename().string())) ::unlink(entry->path().c_str());
  }
}

void make_directories(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw SystemError("create directory", path.string(), error.value(), advice_for(error.value()));
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int FileDescriptor::release() {
  return std::exchange(fd_, -1);
}

void FileDescriptor::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

std::string tail_of_file(const std::filesystem::path& path, int lines) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return "";
  constexpr off_t kMost = 65536;
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - kMost);
  std::string text(static_cast<size_t>(std::max<off_t>(0, size - from)), '\0');
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), from);
  text.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  size_t start = text.size();
  for (int i = 0; i < lines && start != std::string::npos && start > 0; ++i)
    start = text.rfind('\n', start - 1);
  return start == std::string::npos || start == 0 ? text : text.substr(start + 1);
}

std::string content_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return fmt::format("{:016x}", hash);
}

std::string file_hash(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  using Words = std::array<std::uint64_t, 4>;  // the processor multiplies for all four at once
  Words hashes{};
  const auto take = [&](const Words& words) {
    for (size_t lane = 0; lane < hashes.size(); ++lane) hashes[lane] = mixed(hashes[lane], words[lane]);
  };
  const size_t rest = bytes.size() % sizeof(Words);
  Words words{};
  for (size_t at = 0; at + rest < bytes.size(); at += sizeof words) {
    std::memcpy(words.data(), bytes.data() + at, sizeof words);
    take(words);
  }
  if (rest > 0) {
    words.fill(0);  // the length tells files that end in zeros apart
    std::memcpy(words.data(), bytes.data() + bytes.size() - rest, rest);
    take(words);
  }
  return fmt::format("{:016x}", std::accumulate(hashes.begin(), hashes.end(), mixed(0, bytes.size()), mixed));
}

}  // namespace saturn
