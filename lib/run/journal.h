// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "base/file.h"
#include "run/record.h"

namespace saturn {

/// What a run has done, one record a line, only ever appended. Every record is synced before `append`
/// returns, so that nothing is acted on that a crash could make unhappened. One owner.
class Journal {
 public:
  /// Opens or creates the file and reads what is in it. A torn last line (the machine died while it was
  /// written) is cut off. Errors: SystemError; InputError when a line before the last is damaged (file and
  /// line).
  explicit Journal(const std::filesystem::path& file);

  /// The records that were there when it was opened.
  const std::vector<Record>& past() const { return past_; }
  /// Errors: SystemError (disk full); the file then ends where it ended before.
  void append(const Record& record);

 private:
  std::filesystem::path file_;
  FileDescriptor fd_;
  std::vector<Record> past_;
  off_t size_ = 0;
};

/// The records of a journal that another process may be writing: a torn last line is left out. Errors as
/// above.
std::vector<Record> read_journal(const std::filesystem::path& file);

/// Follows a journal while another process writes it. One thread.
class JournalReader {
 public:
  explicit JournalReader(std::filesystem::path file) : file_(std::move(file)) {}

  /// The whole records that have come since the last call; none as long as there is no file. Errors:
  /// SystemError; InputError for a damaged record as above, and when the file has become shorter or is gone.
  std::vector<Record> more();

 private:
  std::filesystem::path file_;
  size_t read_bytes_ = 0;
  int read_lines_ = 0;
};

}  // namespace saturn
