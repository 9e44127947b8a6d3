// SPDX-License-Identifier: Apache-2.0
#include "base/host.h"

#include <unistd.h>

namespace saturn {

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

}  // namespace saturn
