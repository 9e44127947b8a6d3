// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "base/document.h"

namespace saturn {

/// Reads a map whose keys are the user's own (letters, digits, _ and -: a dot would be a path of its own in
/// sweeps), with one scalar each, as it was written ("3e-4"). `what` names the map in messages, `noun` what a
/// key names ("argument").
std::map<std::string, std::string> read_free_scalars(const Value& value, const std::string& what,
                                                     const std::string& noun, Diagnostics& diagnostics);

}  // namespace saturn
