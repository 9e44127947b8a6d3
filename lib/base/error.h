// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace saturn {

/// One thing that is wrong with something a user wrote. `line` and `column` are 1-based; 0 = unknown (then
/// only the file is named). `excerpt` is the source line, shown with a caret under `column`; empty = not
/// shown.
struct Diagnostic {
  std::string file;
  int line = 0;
  int column = 0;
  std::string message;  ///< what is wrong, and after it what was meant
  std::string excerpt;

  bool operator==(const Diagnostic&) const = default;
};

/// `file:line:col: error: message`, then the excerpt with a caret; several lines, no trailing newline.
std::string to_text(const Diagnostic& diagnostic);

/// Bad input by a user: everything that is wrong with it, at once. `saturn` exits with 2 and has changed
/// nothing.
class InputError : public std::runtime_error {
 public:
  explicit InputError(std::vector<Diagnostic> diagnostics);
  /// An error with no place in a file (a command-line argument, say).
  explicit InputError(const std::string& message);

  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

/// The environment failed: disk, processes, memory. `saturn` exits with 3.
/// The text reads "cannot OPERATION OBJECT: REASON; ADVICE".
class SystemError : public std::runtime_error {
 public:
  SystemError(const std::string& operation, const std::string& object, const std::string& reason,
              const std::string& advice = "");
  /// The reason is `errno_value`'s text.
  SystemError(const std::string& operation, const std::string& object, int errno_value,
              const std::string& advice = "");
  int errno_value() const { return errno_value_; }

 private:
  int errno_value_ = 0;
};

/// The candidate closest to `word` when it is close enough to have been meant, else empty.
std::string closest(const std::string& word, const std::vector<std::string>& candidates);

/// " (did you mean 'X'?)" for the closest candidate, else empty.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace saturn
