// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "launch/launcher.h"

namespace saturn {

/// How one gang behaves in simulated time.
struct SimulatedGang {
  double startup_seconds = 1;
  double step_seconds = 1;
  std::int64_t steps = 10;  ///< of the whole task
  std::int64_t report_every_steps = 1;
  std::int64_t checkpoint_every_steps = 0;  ///< 0 = only when stopped and at the end
  std::optional<std::int64_t>
      dies_at_step;  ///< it is killed when it comes to this step, if it has not passed it before
  std::optional<Failed> fails_with;  ///< instead of being killed it says so
  double validation_seconds = 0;     ///< after every step but the last
  double alive_every_seconds = 2;    ///< between the signs of life of a validation
  bool fails_to_start = false;       ///< as on a machine that has no process left
  bool lingers = false;              ///< having failed it does not leave
  bool ignores_stop = false;         ///< leaves only when killed
  bool hangs_at_start = false;       ///< never gets ready
  std::string ends_early;            ///< why `steps` are fewer than the task's; "": they are not
  std::string skips_checkpoint;      ///< what it says of one before it is ready; "": there is none to skip
};

/// Gangs that exist in the clock's time only: `wait` moves the clock to the next thing that happens. Progress
/// is kept per task name at every checkpoint, as on a disk. `behaviour` is asked once at the start of each
/// gang. Neither is owned by the launcher beyond that; the clock must outlive it.
std::unique_ptr<Launcher> make_simulated_launcher(ManualClock& clock,
                                                  std::function<SimulatedGang(const GangSpec&)> behaviour);

}  // namespace saturn
