// SPDX-License-Identifier: Apache-2.0
#include "plan/bounds/least_areas.h"
#include "plan/bounds/objective_bounds.h"

namespace saturn {

Millis fixed_device_time(const Instance& instance) {
  Millis sum = 0;
  for (const Placement& placement : instance.fixed())
    sum += placement.duration * static_cast<Millis>(placement.devices.size());
  return sum;
}

Millis least_device_time(const Instance& instance, Millis limit) {
  const Millis least = LeastAreas(instance).by(limit);
  return least == LeastAreas::kNever ? 0 : least + fixed_device_time(instance);
}

}  // namespace saturn
