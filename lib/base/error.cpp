// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <numeric>

namespace saturn {
namespace {

std::string join(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (!text.empty()) text += '\n';
    text += to_text(diagnostic);
  }
  return text;
}

/// Levenshtein distance in which two neighbours swapped count as one edit.
int edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = static_cast<int>(i);
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string system_text(const std::string& operation, const std::string& object, const std::string& reason,
                        const std::string& advice) {
  std::string text = fmt::format("cannot {} {}: {}", operation, object, reason);
  if (!advice.empty()) text += "; " + advice;
  return text;
}

}  // namespace

std::string to_text(const Diagnostic& d) {
  std::string place = d.file;
  if (d.line > 0) place += fmt::format(":{}:{}", d.line, d.column);
  std::string text = place.empty() ? "error: " + d.message : place + ": error: " + d.message;
  if (d.excerpt.empty()) return text;
  std::string indent(static_cast<size_t>(std::max(d.column - 1, 0)), ' ');
  for (size_t i = 0; i < indent.size() && i < d.excerpt.size(); ++i) {
    if (d.excerpt[i] == '\t') indent[i] = '\t';  // so that the caret stays under its column
  }
  return fmt::format("{}\n  {:>4} | {}\n       | {}^", text, d.line, d.excerpt, indent);
}

InputError::InputError(std::vector<Diagnostic> diagnostics)
    : std::runtime_error(join(diagnostics)), diagnostics_(std::move(diagnostics)) {}

InputError::InputError(const std::string& message) : InputError({Diagnostic{"", 0, 0, message, ""}}) {}

SystemError::SystemError(const std::string& operation, const std::string& object, const std::string& reason,
                         const std::string& advice)
    : std::runtime_error(system_text(operation, object, reason, advice)) {}

SystemError::SystemError(const std::string& operation, const std::string& object, int errno_value,
                         const std::string& advice)
    : std::runtime_error(system_text(operation, object, std::strerror(errno_value), advice)),
      errno_value_(errno_value) {}

std::string closest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  // A third of the letters may be wrong: "batchsize" means batch_size, "lr" does not mean "name".
  int best_distance = static_cast<int>(std::max<size_t>(1, word.size() / 3)) + 1;
  for (const std::string& candidate : candidates) {
    const int distance = edit_distance(word, candidate);
    if (distance < best_distance) best_distance = distance, best = candidate;
  }
  return best;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string best = closest(word, candidates);
  return best.empty() ? "" : fmt::format(" (did you mean '{}'?)", best);
}

}  // namespace saturn
