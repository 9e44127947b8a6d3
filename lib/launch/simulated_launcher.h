// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "launch/launcher.h"

namespace saturn {

/// How one gang behaves in simulated time.
struct SimulatedGang {
  double startup_seconds = 1;
  double step_seconds = 1;
  std::int64_t steps = 10;  ///< of the whole task
  std::int64_t report_every_steps = 1;
  std::int64_t checkpoint_every_steps = 0;  ///< 0: not by steps
  double checkpoint_every_seconds = 0;      ///< 0: not by time
  double checkpoint_held_seconds = 0;       ///< that training stands still for one on the way
  double checkpoint_seconds = 0;            ///< of the one that a stop and the end wait for
  std::optional<std::int64_t>
      dies_at_step;  ///< it is killed when it comes to this step, if it has not passed it before
  std::optional<Failed> fails_with;  ///< instead of being killed it says so
  double validation_seconds = 0;     ///< 0: there is none
  std::int64_t validate_every_steps = 1;
  std::vector<std::int64_t> validate_at{};  ///< and after these steps
  double alive_every_seconds = 2;           ///< between the signs of life of a validation
  bool fails_to_start = false;              ///< as on a machine that has no process left
  bool lingers = false;                     ///< having failed it does not leave
  bool ignores_stop = false;                ///< leaves only when killed
  bool hangs_at_start = false;              ///< never gets ready
  std::string ends_early{};                 ///< why `steps` are fewer than the task's; "": they are not
  std::string skips_checkpoint;       ///< what it says of one before it is ready; "": there is none to skip
  std::function<double()> stretch{};  ///< asked before each report: by how much its steps take longer
  std::function<double(std::int64_t)> loss{};  ///< after a step; 1/step when it is not given
};

/// Devices that are lost for a time.
struct Outage {
  double at_seconds = 0;
  std::string node;
  std::vector<int> devices;
  std::optional<double> back_at_seconds{};  ///< empty: for good
};

/// What surrounds simulated gangs.
struct SimulatedWorld {
  /// Asked once at the start of each gang, which has its job.
  std::function<SimulatedGang(const GangSpec&)> behaviour;
  std::vector<Outage> outages{};
  std::map<std::string, std::int64_t> checkpoints{};  ///< step of each task's last one, as on a disk
};

/// Gangs that exist in the clock's time only: `wait` moves the clock to the next thing that happens. Progress
/// is kept per task name at every checkpoint. The clock is not owned and must outlive the launcher.
std::unique_ptr<Launcher> make_simulated_launcher(ManualClock& clock, SimulatedWorld world);

}  // namespace saturn
