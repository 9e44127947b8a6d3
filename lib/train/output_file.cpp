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

constexpr std::size_t kBlockBytes = 4U << 20;
constexpr std::size_t kPage = 4096;  // what direct writes are multiples of

int open_new(const std::filesystem::path& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const int fd = ::open(path.c_str(), kFlags | O_DIRECT, 0644);
  return fd >= 0 || errno != EINVAL ? fd : ::open(path.c_str(), kFlags, 0644);
}

void leave_direct(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_DIRECT);
}

int write_all_at(int fd, const std::byte* bytes, std::size_t count, std::uint64_t place) {
  while (count > 0) {
    const ssize_t n = ::pwrite(fd, bytes, count, static_cast<off_t>(place));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes += n;
    place += static_cast<std::uint64_t>(n);
    count -= static_cast<std::size_t>(n);
  }
  return 0;
}

/// The kernel takes no more than its read-ahead at once, and asks its queue for room: of a very large file
/// only the beginning.
void begin_reading(int fd, std::uint64_t bytes) {
  constexpr std::uint64_t kPiece = 1U << 20, kMost = 512U << 20;
  for (std::uint64_t begin = 0; begin < std::min(bytes, kMost); begin += kPiece)
    (void)::posix_fadvise(fd, static_cast<off_t>(begin), kPiece, POSIX_FADV_WILLNEED);
}

/// 0 or an errno. What is no whole number of pages, and what a file system wants in other multiples, goes
/// through the cache.
int write_block(int fd, const std::byte* bytes, std::size_t count, std::uint64_t place) {
  const std::size_t pages = count / kPage * kPage;
  const int error = write_all_at(fd, bytes, pages, place);
  if (error != 0 && error != EINVAL) return error;
  if (error == 0 && pages == count) return 0;
  const std::size_t done = error == 0 ? pages : 0;
  leave_direct(fd);
  return write_all_at(fd, bytes + done, count - done, place + done);
}

}  // namespace

void OutputFile::Free::operator()(std::byte* block) const {
  std::free(block);
}

OutputFile::OutputFile(std::filesystem::path path, std::uint64_t bytes)
    : path_(std::move(path)), fd_(open_new(path_)) {
  if (!fd_) fail(errno);
  for (Block& block : blocks_) {
    block.bytes.reset(static_cast<std::byte*>(std::aligned_alloc(kPage, kBlockBytes)));
    if (block.bytes == nullptr) fail(ENOMEM);
  }
  reserve(bytes);
}

OutputFile::~OutputFile() {
  if (fd_) close_unfinished();
}

void OutputFile::close_unfinished() {
  for (Block& block : blocks_)
    if (block.sent.valid()) block.sent.wait();
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
    std::memcpy(blocks_[filling_].bytes.get() + filled_, bytes.data(), count);
    filled_ += count;
    bytes = bytes.subspan(count);
    if (filled_ == kBlockBytes) send();
  }
}

void OutputFile::wait_for(Block& block) {
  if (!block.sent.valid()) return;
  if (const int error = block.sent.get()) fail(error);
}

void OutputFile::send() {
  Block& block = blocks_[filling_];
  block.sent = std::async(std::launch::async, write_block, fd_.get(), block.bytes.get(), filled_, place_);
  place_ += std::exchange(filled_, 0);
  filling_ = (filling_ + 1) % blocks_.size();
  wait_for(blocks_[filling_]);
}

void OutputFile::finish(ReadAgain read_again) {
  if (filled_ > 0) send();
  for (Block& block : blocks_) wait_for(block);
  if (::fsync(fd_.get()) != 0) fail(errno);
  if (read_again == ReadAgain::kSoon) begin_reading(fd_.get(), place_);
  if (::close(fd_.release()) != 0) fail(errno);
}

}  // namespace saturn
