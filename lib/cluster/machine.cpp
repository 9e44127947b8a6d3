// SPDX-License-Identifier: Apache-2.0
#include "cluster/machine.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sched.h>
#include <sstream>

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// The first words of a file; empty when there is none (these files are the kernel's: a line each).
std::vector<std::string> words_of(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> words;
  for (std::string word; words.size() < 2 && in >> word;) words.push_back(word);
  return words;
}

double number_or(const std::string& word, double fallback) {
  std::istringstream in(word);
  double value = 0;
  return in >> value && value > 0 ? value : fallback;
}

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct Limits {
  double cores = kNoLimit;
  double memory_bytes = kNoLimit;
  double free_bytes = kNoLimit;  ///< of memory_bytes
};

/// The number after a word in a file of "KEY VALUE" lines; 0 when there is none.
double value_of(const fs::path& file, const std::string& wanted) {
  std::ifstream in(file);
  std::string key;
  double value = 0;
  while (in >> key >> value) {
    if (key == wanted) return value;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

double number_in(const fs::path& file) {
  const auto words = words_of(file);
  return words.empty() ? 0 : number_or(words[0], 0);
}

Limits limits_version_2(const fs::path& group) {
  Limits limits;
  if (const auto words = words_of(group / "memory.max"); !words.empty()) {
    limits.memory_bytes = number_or(words[0], kNoLimit);  // "max" = none
    limits.free_bytes = limits.memory_bytes - number_in(group / "memory.current") +
                        value_of(group / "memory.stat", "inactive_file");
  }
  if (const auto words = words_of(group / "cpu.max"); words.size() == 2) {
    limits.cores = number_or(words[0], kNoLimit) / number_or(words[1], 1e5);
  }
  return limits;
}

Limits limits_version_1(const fs::path& group) {
  Limits limits;
  if (const auto words = words_of(group / "memory.limit_in_bytes"); !words.empty()) {
    limits.memory_bytes = number_or(words[0], kNoLimit);
    limits.free_bytes = limits.memory_bytes - number_in(group / "memory.usage_in_bytes");
  }
  const auto quota = words_of(group / "cpu.cfs_quota_us");  // -1 = none
  const auto period = words_of(group / "cpu.cfs_period_us");
  if (!quota.empty() && !period.empty()) {
    limits.cores = number_or(quota[0], kNoLimit) / number_or(period[0], 1e5);
  }
  return limits;
}

/// A limit holds for everything below its group, so every group up to the controller's mount counts.
Limits tightest(const fs::path& mount, fs::path group, Limits (*read)(const fs::path&)) {
  Limits all;
  for (group = group.relative_path();; group = group.parent_path()) {
    const Limits here = read(mount / group);
    all.cores = std::min(all.cores, here.cores);
    all.memory_bytes = std::min(all.memory_bytes, here.memory_bytes);
    all.free_bytes = std::min(all.free_bytes, here.free_bytes);
    if (group.empty()) return all;
  }
}

/// Lines of /proc/self/cgroup read "ID:CONTROLLERS:PATH"; version 2 has no controllers there.
Limits control_group_limits(const fs::path& root) {
  Limits all;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const Limits limits =
        controllers.empty()
            ? tightest(root / "sys/fs/cgroup", line.substr(second + 1), limits_version_2)
            : tightest(root / "sys/fs/cgroup" / controllers, line.substr(second + 1), limits_version_1);
    all.cores = std::min(all.cores, limits.cores);
    all.memory_bytes = std::min(all.memory_bytes, limits.memory_bytes);
    all.free_bytes = std::min(all.free_bytes, limits.free_bytes);
  }
  return all;
}

Bytes total_memory(const fs::path& root) {
  return static_cast<Bytes>(value_of(root / "proc/meminfo", "MemTotal:")) * 1024;
}

std::string processor_name(const fs::path& root) {
  std::ifstream in(root / "proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

}  // namespace

Machine read_machine(const fs::path& root, std::vector<int> allowed) {
  Machine machine;
  const Limits limits = control_group_limits(root);
  machine.cores = std::move(allowed);
  if (limits.cores < static_cast<double>(machine.cores.size())) {
    machine.cores.resize(static_cast<size_t>(std::max(1.0, std::floor(limits.cores))));
  }
  machine.memory_bytes = total_memory(root);
  if (limits.memory_bytes < static_cast<double>(machine.memory_bytes)) {
    machine.memory_bytes = static_cast<Bytes>(limits.memory_bytes);
  }
  machine.cpu_model = processor_name(root);
  return machine;
}

Bytes available_memory(const fs::path& root) {
  const double available = value_of(root / "proc/meminfo", "MemAvailable:") * 1024;
  return static_cast<Bytes>(std::max(0.0, std::min(available, control_group_limits(root).free_bytes)));
}

Machine this_machine() {
  // A fixed cpu_set_t holds 1024 cores; the call fails on larger machines unless the set is as large.
  constexpr int kMaxCores = 1 << 16;
  cpu_set_t* mask = CPU_ALLOC(kMaxCores);
  const size_t size = CPU_ALLOC_SIZE(kMaxCores);
  if (mask != nullptr) CPU_ZERO_S(size, mask);
  std::vector<int> allowed;
  if (mask != nullptr && ::sched_getaffinity(0, size, mask) == 0) {
    const auto count = static_cast<size_t>(CPU_COUNT_S(size, mask));
    for (int core = 0; allowed.size() < count; ++core) {
      if (CPU_ISSET_S(static_cast<size_t>(core), size, mask)) allowed.push_back(core);
    }
  }
  CPU_FREE(mask);
  if (allowed.empty()) allowed.push_back(0);
  return read_machine("/", std::move(allowed));
}

}  // namespace saturn
