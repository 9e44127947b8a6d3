// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/document.h"

namespace saturn {

/// `over` laid on `base`: maps are merged key by key, anything else of `over` replaces what is under it. The
/// result has `over`'s mark and keeps every value's own. Duplicate keys of `over` stay, to
/// be reported; of `base`, the first counts.
Value deep_merge(const Value& base, const Value& over);

/// "optimizer.lr" -> {"optimizer", "lr"}.
std::vector<std::string> split_path(const std::string& path);

/// The value at a dotted path, or null.
const Value* find_path(const Value& root, const std::string& path);

/// Puts a value at a dotted path, making the maps on the way, and merging a map into a map that is there.
/// Nothing happens when something else than a map is in the way. `mark` is where the path is written.
void assign_path(Value& root, const std::string& path, const Value& value, Mark mark);

/// Removes every member of that name.
void remove_key(Value& map, std::string_view key);

}  // namespace saturn
