// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <cerrno>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

namespace saturn {

void say(std::string_view line) {
  (void)write_all(STDERR_FILENO, std::string(line) + "\n");
}

void print(std::string_view text) {
  const int error = write_all(STDOUT_FILENO, text);
  if (error != 0 && error != EPIPE) throw SystemError("write", "standard output", error);
}

}  // namespace saturn
