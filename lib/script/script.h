// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "launch/event.h"
#include "script/guardian.h"
#include "script/progress.h"

namespace saturn {

struct ScriptSpec {
  GuardedSpec process;
  std::vector<std::string> patterns;
  Bytes memory_budget = 0;  ///< of all its processes; 0 = no limit. Over it, they are killed.
};

/// Something a script said, and when (the clock's time).
struct HeardNews {
  ScriptNews news;
  double at = 0;
};

/// A running script: its output is read, what is no progress goes to the log (standard error, 64 MiB at
/// most), its memory is watched. Times come from the clock. One owner, one thread.
class Script {
 public:
  /// Errors: SystemError (it cannot be started).
  Script(const ScriptSpec& spec, const Clock& clock);

  /// What it has said by the time that something has come in, `timeout` has passed, it has ended, or
  /// `wake_fd` has become readable.
  std::vector<HeardNews> wait(Seconds timeout, int wake_fd);
  bool ended() const { return code_.has_value(); }
  int exit_code() const { return code_.value(); }

  void ask_to_stop();
  void kill() const { process_.kill(); }

  /// Largest memory seen so far.
  Bytes peak_memory() const { return peak_; }
  /// Seconds on the clock when it was started.
  double started_at() const { return started_at_; }
  /// The last lines of its output that were no progress.
  std::string tail() const;
  /// Why it ended as it did: out of memory (by its words, or over the budget), or an error. In words that
  /// follow "the command".
  Failed failure() const;

 private:
  struct Stream {
    int fd;
    std::string partial;
    bool open = true;
  };

  bool read(Stream& stream, std::vector<HeardNews>& news);
  void end_line(Stream& stream, std::vector<HeardNews>& news);
  void take_line(std::string_view line, bool is_error, std::vector<HeardNews>& news);
  void log(std::string_view line);
  void sample_memory();
  void take_end(std::vector<HeardNews>& news);

  const Clock& clock_;
  GuardedCommand process_;
  ProgressReader progress_;
  Bytes budget_;
  double started_at_;
  Stream output_, errors_;
  double next_sample_ = 0;
  Bytes peak_ = 0;
  std::string over_budget_, memory_words_, last_error_;
  std::string last_complaint_;
  std::deque<std::string> tail_;
  std::size_t logged_ = 0;
  bool log_is_full_ = false;
  std::optional<int> code_;
};

}  // namespace saturn
