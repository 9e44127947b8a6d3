// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/document.h"

namespace saturn {

/// Reports what is no map and every key that is no field of a task; false when there is nothing to read.
bool check_paths(const Value& map, const std::string& what, const std::vector<std::string>& paths,
                 Diagnostics& diagnostics);

/// Of the paths of arguments, whose names are free.
inline constexpr std::string_view kArgumentPrefix = "arguments.";

/// Whether the dotted path is one of `paths`, or an argument's.
bool is_task_path(const std::string& path, const std::vector<std::string>& paths);

/// The dotted paths that a task has, outer ones first: "model", "model.layers", ...
std::vector<std::string> task_paths();

}  // namespace saturn
