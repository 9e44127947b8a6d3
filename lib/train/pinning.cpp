// SPDX-License-Identifier: Apache-2.0
#include "train/pinning.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include "base/error.h"

namespace saturn {
namespace {

void restrict_to(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    if (core >= 0 && core < CPU_SETSIZE) CPU_SET(core, &set);
  }
  if (::sched_setaffinity(0, sizeof set, &set) == 0) return;
  throw SystemError("pin to", fmt::format("cores {}", fmt::join(cores, ", ")), errno,
                    "the cluster names cores that this process may not use");
}

}  // namespace

void pin_to_cores(const std::vector<int>& cores) {
  at::globalContext().setFlushDenormal(true);
  at::set_num_interop_threads(1);
  if (cores.empty()) return;
  restrict_to(cores);
  at::set_num_threads(static_cast<int>(cores.size()));
}

}  // namespace saturn
