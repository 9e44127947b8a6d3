// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace saturn {

/// Whether a path has `*`, `?` or `[` in it.
bool is_glob(const std::string& path);

/// The files that an absolute glob matches, sorted. `*`, `?` and `[a-z]` match within a name, `**` any number
/// of directories (links to directories are not followed there). Hidden names match only a pattern that
/// begins with a dot. What cannot be read is left out.
std::vector<std::filesystem::path> expand_glob(const std::string& pattern);

}  // namespace saturn
