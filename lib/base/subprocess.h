// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "base/file.h"

namespace saturn {

/// A child to start. `inherit` lists (own descriptor, number in the child); what is not listed stays closed
/// (every descriptor of this program is close-on-exec), but standard input, output and error default to this
/// program's.
struct SpawnSpec {
  std::vector<std::string> argv;  ///< argv[0] is looked up in PATH when it has no slash
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to this program's, or replacing
  std::vector<std::pair<int, int>> inherit;
  pid_t process_group = 0;            ///< 0 = a new one, led by the child
  std::filesystem::path directory{};  ///< that it works in; empty: this program's
};

/// A running child: its process id, and a descriptor that becomes readable when it has ended. The owner reaps
/// it.
struct Child {
  pid_t pid = -1;
  FileDescriptor pidfd;
};

/// Starts the child with default signal handling and an empty signal mask. Errors: SystemError.
Child spawn(const SpawnSpec& spec);

/// Reaps a child that has ended. Returns its exit code, or 128 + signal; -1 when it is still running.
[[nodiscard]] int try_reap(pid_t pid);
/// Waits for the child (which has been killed or has ended) and reaps it; the same code.
int reap(pid_t pid);

/// A close-on-exec pipe. Errors: SystemError.
struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};
Pipe make_pipe();

}  // namespace saturn
