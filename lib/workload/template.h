// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

namespace saturn {

/// What a template became, or why it cannot (then `problem` is not empty).
struct Rendered {
  std::string text;
  std::string problem;
};

/// Replaces each `{field}` of the text by what `lookup` says of it: its text, or a problem. `{{` and `}}` are
/// braces themselves.
Rendered render_template(const std::string& text,
                         const std::function<Rendered(const std::string& field)>& lookup);

/// Names of tasks and workloads are names of directories: letters, digits and ._+=- , no leading dot, at most
/// 100 characters. Returns what is wrong with this one, or "".
std::string name_problem(const std::string& name);

}  // namespace saturn
