// SPDX-License-Identifier: Apache-2.0
#include "train/output_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"

namespace saturn {
namespace {

constexpr std::size_t kBlockBytes = 8U << 20;
constexpr std::size_t kPage = 4096;  // what direct writes are multiples of

int open_new(const std::filesystem::path& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const int fd = ::open(path.c_str(), kFlags | O_DIRECT, 0644);
  return fd >= 0 || errno != EINVAL ? fd : ::open(path.c_str(), kFlags, 0644);
}

void leave_direct(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_DIRECT);
}

/// 0 or an errno. A file system may take direct writes of other multiples only.
int write_block(int fd, std::string_view bytes) {
  if (bytes.size() % kPage != 0) leave_direct(fd);
  int error = write_all(fd, bytes);
  if (error != EINVAL || (::fcntl(fd, F_GETFL) & O_DIRECT) == 0) return error;
  leave_direct(fd);
  return write_all(fd, bytes);
}

}  // namespace

void OutputFile::Free::operator()(std::byte* block) const {
  std::free(block);
}

OutputFile::OutputFile(std::filesystem::path path, std::uint64_t bytes)
    : path_(std::move(path)), fd_(open_new(path_)) {
  if (!fd_) fail(errno);
  for (Block* each : {&filling_, &sending_}) {
    each->reset(static_cast<std::byte*>(std::aligned_alloc(kPage, kBlockBytes)));
    if (*each == nullptr) fail(ENOMEM);
  }
  reserve(bytes);
}

OutputFile::~OutputFile() {
  if (fd_) close_unfinished();
}

void OutputFile::close_unfinished() {
  if (sent_.valid()) sent_.wait();
  fd_.reset();
  ::unlink(path_.c_str());
}

void OutputFile::fail(int error) {
  close_unfinished();
  throw SystemError("write", path_.string(), error,
                    error == ENOSPC || error == EDQUOT ? "free space on that disk" : "");
}

void OutputFile::reserve(std::uint64_t bytes) {
  if (bytes == 0 || ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(bytes)) == 0) return;
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) fail(error);  // others: it cannot be reserved
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), kBlockBytes - filled_);
    std::memcpy(filling_.get() + filled_, bytes.data(), count);
    filled_ += count;
    bytes = bytes.subspan(count);
    if (filled_ == kBlockBytes) send();
  }
}

void OutputFile::wait_for_sent() {
  if (!sent_.valid()) return;
  if (const int error = sent_.get()) fail(error);
}

void OutputFile::send() {
  wait_for_sent();
  std::swap(filling_, sending_);
  const std::string_view text(reinterpret_cast<const char*>(sending_.get()), std::exchange(filled_, 0));
  sent_ = std::async(std::launch::async, [fd = fd_.get(), text] { return write_block(fd, text); });
}

void OutputFile::finish() {
  if (filled_ > 0) send();
  wait_for_sent();
  if (::fsync(fd_.get()) != 0) fail(errno);
  if (::close(fd_.release()) != 0) fail(errno);
}

}  // namespace saturn
