// SPDX-License-Identifier: Apache-2.0
// agent VERSION [NEEDS [LOOKS]]: `saturn agent` alone, for the tests. What is in the file LOOKS is said of
// its GPUs, again and again; which it was asked to watch is written to the file `asked` beside it.
#include <cstdio>
#include <string>
#include <unistd.h>

#include "launch/agent.h"
#include "launch/gpu_watch.h"

int main(int count, char** arguments) {
  try {
    std::unique_ptr<saturn::DeviceWatch> gpus;
    if (count > 3) {
      const std::string script =
          "looks=$0; echo \"$*\" >\"${looks%/*}/asked\"; while cat \"$looks\"; do sleep 0.05; done";
      gpus = saturn::make_gpu_watch({},
                                    {"setpriv", "--pdeathsig", "KILL", "/bin/sh", "-c", script, arguments[3]},
                                    [](const std::string& text) { std::fputs(text.c_str(), stderr); });
    }
    return saturn::run_agent(STDIN_FILENO, STDOUT_FILENO, arguments[1], count > 2 ? arguments[2] : "",
                             std::move(gpus));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
