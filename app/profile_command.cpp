// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "commands.h"
#include "output.h"
#include "report/profile_report.h"
#include "report/style.h"

namespace saturn {

int run_profile(const ProfileCommand& command, const CommonOptions& options, InterruptGuard& interrupts) {
  const Session session = open_session(command.workload, options);
  const std::filesystem::path file =
      command.output.empty() ? session.directory.profile_file() : std::filesystem::path(command.output);
  const Profile profile = make_profile(session, options, {file, true}, interrupts);
  print(options.json ? to_json(profile).dump(2) + "\n" : profile_table(profile, style_of(STDOUT_FILENO)));
  return 0;
}

}  // namespace saturn
