// SPDX-License-Identifier: Apache-2.0
// agent VERSION [NEEDS]: `saturn agent` alone, for the tests.
#include <cstdio>
#include <unistd.h>

#include "launch/agent.h"

int main(int count, char** arguments) {
  try {
    return saturn::run_agent(STDIN_FILENO, STDOUT_FILENO, arguments[1], count > 2 ? arguments[2] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
