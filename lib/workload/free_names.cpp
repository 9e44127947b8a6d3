// SPDX-License-Identifier: Apache-2.0
#include "workload/free_names.h"

#include <fmt/format.h>

namespace saturn {
namespace {

bool is_free_name(const std::string& name) {
  constexpr const char* kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.find_first_not_of(kAllowed) == std::string::npos;
}

}  // namespace

std::map<std::string, std::string> read_free_scalars(const Value& value, const std::string& what,
                                                     const std::string& noun, Diagnostics& diagnostics) {
  MapReader reader(value, what, diagnostics);
  std::map<std::string, std::string> scalars;
  for (const Value::Member& member : value.members) {
    if (!is_free_name(member.key))
      diagnostics.error(member.mark, fmt::format("{}: '{}' names no {} (letters, digits, _ and - only)", what,
                                                 member.key, noun));
    scalars.emplace(member.key, reader.text(member.key));
  }
  reader.finish();
  return scalars;
}

}  // namespace saturn
