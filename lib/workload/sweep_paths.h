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

/// Whether the path is of an argument or of a plug-in's option, whose names are the user's.
bool has_free_name(std::string_view path);

/// Whether the dotted path is one of `paths`, or has a free name.
bool is_task_path(const std::string& path, const std::vector<std::string>& paths);

/// The dotted paths that a task has, outer ones first: "model", "model.layers", ...
std::vector<std::string> task_paths();

}  // namespace saturn
