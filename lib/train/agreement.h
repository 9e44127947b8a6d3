// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "train/communicator.h"

namespace saturn {

/// Collectives on what ranks decide together; every rank calls, every rank gets the same.
std::int64_t agree_on_max(Communicator& communicator, std::int64_t value);
double agree_on_max(Communicator& communicator, double value);
std::int64_t agree_on_sum(Communicator& communicator, std::int64_t value);
double agree_on_sum(Communicator& communicator, double value);

/// `text` of rank `root`.
std::string share_text(Communicator& communicator, const std::string& text, int root);

/// What went wrong on the lowest rank on which something did (`mine` is empty where nothing did); empty when
/// all is well.
std::string agree_on_error(Communicator& communicator, const std::string& mine);

}  // namespace saturn
