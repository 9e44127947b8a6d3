// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "base/file.h"

namespace saturn {

/// For what processes say: written to its end, made when it is not there. Errors: SystemError.
FileDescriptor open_log(const std::filesystem::path& path);

}  // namespace saturn
