// SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace saturn {
namespace {

/// `asked`: what stat returned.
std::size_t size_of(const std::filesystem::path& path, int asked, const struct stat& status) {
  if (asked != 0) throw SystemError("read", path.string(), errno);
  if (!S_ISREG(status.st_mode)) throw SystemError("read", path.string(), "it is not a regular file");
  return static_cast<std::size_t>(status.st_size);
}

}  // namespace

std::size_t mappable_size(const std::filesystem::path& path) {
  struct stat status {};
  return size_of(path, ::stat(path.c_str(), &status), status);
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw SystemError("read", path.string(), errno);
  struct stat status {};
  const std::size_t size = size_of(path, ::fstat(fd.get(), &status), status);
  if (size == 0) return;  // nothing can be mapped, and nothing needs to be
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) throw SystemError("map", path.string(), errno);
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

void read_ahead(std::span<const std::byte> mapped) {
  if (mapped.empty()) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(mapped.data());
  const std::uintptr_t begin = address / page * page;
  ::madvise(reinterpret_cast<void*>(begin), address + mapped.size() - begin, MADV_WILLNEED);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace saturn
