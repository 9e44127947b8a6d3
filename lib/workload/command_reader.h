// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/document.h"
#include "workload/command.h"

namespace saturn {

/// Reads what a manifest of kind `command` says of its script. `knobs`: those of the manifest. What is wrong
/// (a field that there is not, a pattern that is none) is reported with its place.
CommandSpec read_command(MapReader& manifest, const std::filesystem::path& folder,
                         const std::map<std::string, std::vector<std::string>>& knobs);

}  // namespace saturn
