// SPDX-License-Identifier: Apache-2.0
#include "script/process_tree.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <signal.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

namespace saturn {
namespace {

/// A small file of /proc, whose process may be gone: empty then.
std::string read_process_file(pid_t pid, const char* name) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  const FileDescriptor fd(::open(path, O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  const ssize_t n = fd ? ::read(fd.get(), buffer, sizeof buffer) : -1;
  return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string();
}

/// The parent of a process; 0 when it is gone. The name before it may hold anything, brackets included.
pid_t parent_of(pid_t pid) {
  const std::string stat = read_process_file(pid, "stat");
  const size_t end = stat.rfind(')');
  if (end == std::string::npos || end + 4 >= stat.size()) return 0;
  return static_cast<pid_t>(std::strtol(stat.c_str() + end + 4, nullptr, 10));  // ") S 123"
}

std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  DIR* directory = ::opendir("/proc");
  if (directory == nullptr) return children;
  while (const dirent* entry = ::readdir(directory)) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
    const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    children.emplace(parent_of(pid), pid);
  }
  ::closedir(directory);
  return children;
}

Bytes pages_of(pid_t pid) {
  const std::string statm = read_process_file(pid, "statm");
  const char* resident = std::strchr(statm.c_str(), ' ');
  return resident == nullptr ? 0 : std::strtoll(resident, nullptr, 10) * ::sysconf(_SC_PAGESIZE);
}

/// Each page divided by the number of processes that have it; resident ones where the kernel does not tell.
Bytes proportional_bytes(pid_t pid) {
  const std::string rollup = read_process_file(pid, "smaps_rollup");
  const size_t at = rollup.find("\nPss:");
  return at == std::string::npos ? pages_of(pid) : std::strtoll(rollup.c_str() + at + 5, nullptr, 10) * 1024;
}

}  // namespace

std::vector<pid_t> descendants_of(pid_t root) {
  const auto children = children_by_parent();
  std::vector<pid_t> found{root};
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = children.equal_range(found[i]);
    for (auto child = begin; child != end; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

Bytes resident_bytes(const std::vector<pid_t>& processes) {
  Bytes total = 0;
  for (const pid_t pid : processes) total += processes.size() == 1 ? pages_of(pid) : proportional_bytes(pid);
  return total;
}

void kill_descendants() {
  constexpr useconds_t kPause = 2000;
  // What forks while it is killed is found the next time round.
  for (auto left = descendants_of(::getpid()); !left.empty(); left = descendants_of(::getpid())) {
    for (const pid_t pid : left) ::kill(pid, SIGKILL);
    ::usleep(kPause);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

}  // namespace saturn
