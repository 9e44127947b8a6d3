// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace saturn {

/// One setting of a parallelism's knobs, by name ("bucket_mb" -> "25"); ordered, so equal settings compare
/// and print equal.
using Knobs = std::map<std::string, std::string>;

/// "bucket_mb=25 schedule=1f1b", "" when there are none.
std::string to_text(const Knobs& knobs);

/// The knob's value, `fallback` where the setting leaves it out (plans written by hand may).
std::string knob_value(const Knobs& knobs, const std::string& name, const std::string& fallback);

}  // namespace saturn
