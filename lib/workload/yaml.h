// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/document.h"

namespace saturn {

/// Parses YAML: anchors and aliases are expanded, merge keys (`<<`) applied, both within limits on depth and
/// size (a "YAML bomb" is refused). Duplicate keys stay in Value::members for the reader to report. Errors:
/// InputError.
Document parse_yaml(const std::string& file, const std::string& text);

/// Reads the file and parses it. Errors also: SystemError.
Document read_yaml(const std::string& file);

}  // namespace saturn
