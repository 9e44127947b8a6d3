// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/document.h"

namespace saturn::test {

/// Checks a value against a JSON Schema (draft 2020-12), as far as workload.schema.json uses it. Returns what
/// is wrong, "path: problem". Throws std::logic_error on a keyword that it does not know: nothing is passed
/// over.
std::vector<std::string> validate(const Value& value, const Value& schema_file);

/// The keys of a map, or of a schema's "properties".
std::set<std::string> keys_of(const Value& map);

/// The schema behind `$ref`s.
const Value& resolve(const Value& schema, const Value& schema_file);

}  // namespace saturn::test
