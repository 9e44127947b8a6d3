// SPDX-License-Identifier: Apache-2.0
#include "base/supervisor.h"

#include <cstdlib>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace saturn {

void die_with_supervisor() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const char* supervisor = std::getenv(kSupervisorVariable);
  if (supervisor != nullptr && std::atol(supervisor) != ::getppid()) std::_Exit(1);
}

}  // namespace saturn
