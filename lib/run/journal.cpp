// SPDX-License-Identifier: Apache-2.0
#include "run/journal.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

namespace saturn {
namespace {

struct Contents {
  std::vector<Record> records;
  size_t good_bytes = 0;  ///< up to the end of the last whole record
};

[[noreturn]] void refuse(const std::filesystem::path& file, int line_number, std::string_view line) {
  const char* what =
      is_intact(line) ? "this record was written by another version of saturn: go on with that version, or "
                        "start a new run in another directory"
                      : "this record of the journal is damaged, and others follow it: the disk or an editor "
                        "changed it; restore the file, or delete the line if you know what it said";
  throw InputError({{file.string(), line_number, 1, what, std::string(line.substr(0, 100))}});
}

/// `line_number`: of the line before the text.
Contents parse(const std::filesystem::path& file, const std::string& text, int line_number = 0) {
  Contents contents;
  while (contents.good_bytes < text.size()) {
    ++line_number;
    const size_t end = text.find('\n', contents.good_bytes);
    const bool last = end == std::string::npos || end + 1 == text.size();
    const auto line = std::string_view(text).substr(contents.good_bytes, end - contents.good_bytes);
    const auto record = end == std::string::npos ? std::nullopt : parse_record(line);
    const bool foreign = !record && end != std::string::npos && is_intact(line);
    if (!record && (foreign || !last)) refuse(file, line_number, line);
    if (!record) break;
    contents.records.push_back(*record);
    contents.good_bytes = end + 1;
  }
  return contents;
}

std::string read_from(const std::filesystem::path& file, const FileDescriptor& fd, size_t offset) {
  std::string text;
  char block[1 << 16];
  while (true) {
    const ssize_t count = ::pread(fd.get(), block, sizeof block, static_cast<off_t>(offset + text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw SystemError("read", file.string(), errno);
    if (count == 0) return text;
    text.append(block, static_cast<size_t>(count));
  }
}

}  // namespace

Journal::Journal(const std::filesystem::path& file)
    : file_(file), fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (!fd_) throw SystemError("open", file.string(), errno);
  Contents contents = parse(file, read_file(file));
  past_ = std::move(contents.records);
  size_ = static_cast<off_t>(contents.good_bytes);
  if (::ftruncate(fd_.get(), size_) != 0) throw SystemError("repair", file.string(), errno);
  sync_directory(file.parent_path());
}

void Journal::append(const Record& record) {
  const std::string line = to_line(record);
  int error = write_all(fd_.get(), line);
  if (error == 0 && ::fdatasync(fd_.get()) != 0) error = errno;
  if (error != 0) {
    // Half a record would look like a damaged one as soon as another follows.
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), size_);
    throw SystemError("write", file_.string(), error,
                      "free space on that disk and run the same command again");
  }
  size_ += static_cast<off_t>(line.size());
}

std::vector<Record> JournalReader::more() {
  const FileDescriptor fd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT && read_bytes_ == 0) return {};
  if (!fd && errno != ENOENT) throw SystemError("open", file_.string(), errno);
  const std::string text = fd ? read_from(file_, fd, read_bytes_) : "";
  const off_t size = fd ? ::lseek(fd.get(), 0, SEEK_END) : 0;
  if (size < static_cast<off_t>(read_bytes_)) {
    throw InputError({{file_.string(), 0, 0,
                       "the journal is shorter than what was read of it: the run directory was removed or "
                       "replaced",
                       ""}});
  }
  Contents contents = parse(file_, text, read_lines_);
  read_bytes_ += contents.good_bytes;
  read_lines_ += static_cast<int>(contents.records.size());
  return std::move(contents.records);
}

std::vector<Record> read_journal(const std::filesystem::path& file) {
  return parse(file, read_file(file)).records;
}

}  // namespace saturn
