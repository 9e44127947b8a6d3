// SPDX-License-Identifier: Apache-2.0
#include "workload/template.h"

#include <fmt/format.h>

namespace saturn {

Rendered render_template(const std::string& text,
                         const std::function<Rendered(const std::string& field)>& lookup) {
  Rendered result;
  for (size_t at = 0; at < text.size();) {
    const size_t brace = text.find_first_of("{}", at);
    result.text += text.substr(at, brace - at);
    if (brace == std::string::npos) break;
    if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
      result.text += text[brace];
      at = brace + 2;
      continue;
    }
    const size_t end = text.find('}', brace);
    if (text[brace] == '}' || end == std::string::npos)
      return {"", fmt::format("'{}' has a '{}' without its '{}'", text, text[brace],
                              text[brace] == '{' ? '}' : '{')};
    const Rendered field = lookup(text.substr(brace + 1, end - brace - 1));
    if (!field.problem.empty()) return {"", field.problem};
    result.text += field.text;
    at = end + 1;
  }
  return result;
}

std::string name_problem(const std::string& name) {
  constexpr size_t kLongest = 100;
  constexpr const char* kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+=-";
  const char* const rule = "it names a directory: letters, digits and . _ + = - only";
  if (name.empty()) return "must not be empty";
  if (name.size() > kLongest)
    return fmt::format("has {} characters, more than {}: '{}...'", name.size(), kLongest, name.substr(0, 40));
  if (name[0] == '.') return fmt::format("must not begin with a dot: '{}'", name);
  const size_t bad = name.find_first_not_of(kAllowed);
  if (bad == std::string::npos) return "";
  const bool printable = name[bad] >= ' ' && name[bad] <= '~';
  if (!printable)
    return fmt::format("has a character that is not allowed at position {} ({})", bad + 1, rule);
  return fmt::format("'{}' has '{}' in it ({})", name, name[bad], rule);
}

}  // namespace saturn
