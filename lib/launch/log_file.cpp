// SPDX-License-Identifier: Apache-2.0
#include "launch/log_file.h"

#include <cerrno>
#include <fcntl.h>

#include "base/error.h"

namespace saturn {

FileDescriptor open_log(const std::filesystem::path& path) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) throw SystemError("open", path.string(), errno);
  return fd;
}

}  // namespace saturn
