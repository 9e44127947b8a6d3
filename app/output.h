// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace saturn {

/// A line for the person, to standard error.
void say(std::string_view line);
/// A command's result, to standard output. Errors: SystemError (a full disk, say); a closed pipe ends the
/// program quietly.
void print(std::string_view text);

}  // namespace saturn
