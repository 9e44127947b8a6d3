// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "train/communicator.h"
#include "train/shared_segment.h"

namespace saturn {

/// Rank `rank` on a segment that other ranks of this process may share. As make_shared_memory_communicator.
std::unique_ptr<Communicator> make_communicator_on(std::shared_ptr<const SharedSegment> segment, int rank,
                                                   Seconds timeout);

}  // namespace saturn
