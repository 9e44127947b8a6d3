// SPDX-License-Identifier: Apache-2.0
#include "launch/early_stop.h"

#include <utility>

namespace saturn {

EarlyStop::EarlyStop(const Job& job, std::vector<ValidationPoint> validations, double started_at)
    : rule_(job.task.stop),
      validations_(std::move(validations)),
      counts_from_(started_at - job.used_seconds) {}

void EarlyStop::add(ValidationPoint validation) {
  add_validation(validations_, validation);
}

std::string EarlyStop::reason(double now) const {
  return reason_to_stop(rule_, validations_, now - counts_from_);
}

}  // namespace saturn
