// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/file.h"

namespace saturn {

/// A command to start under guard.
struct GuardedSpec {
  std::vector<std::string> argv;                   ///< argv[0] is looked up in PATH when it has no slash
  std::map<std::string, std::string> environment;  ///< added to this program's, or replacing
  std::string working_directory;
  std::vector<int> cores;  ///< that it and its children may use; empty = all
  int stop_signal = 0;     ///< sent by `ask_to_stop`; 0 = none
};

/// A command, and whatever it starts, that never outlives its owner. Between the two stands a process in a
/// session of its own, which adopts what the command leaves behind, and kills everything when the command has
/// ended or the owner is gone, be it by SIGKILL. One owner, a program with a single thread.
class GuardedCommand {
 public:
  /// Errors: SystemError (there is no such program, say).
  explicit GuardedCommand(const GuardedSpec& spec);
  GuardedCommand(const GuardedCommand&) = delete;
  GuardedCommand& operator=(const GuardedCommand&) = delete;
  ~GuardedCommand();

  /// Read ends, non-blocking; at their end when every process is gone.
  int output() const { return output_.get(); }
  int errors() const { return errors_.get(); }
  /// Becomes readable when the command has ended and everything that it started is gone.
  int ended() const { return status_.get(); }

  /// Sends the stop signal to the command, not to its children.
  void ask_to_stop() const;
  void kill() const;
  /// Of the command and all that it started.
  std::vector<pid_t> processes() const;
  /// After `ended`: its exit code, or 128 + signal.
  int reap();

 private:
  FileDescriptor output_, errors_;
  FileDescriptor control_;  ///< write end; its closing kills everything
  FileDescriptor status_;
  pid_t guardian_ = -1;
  std::optional<int> code_;
};

}  // namespace saturn
