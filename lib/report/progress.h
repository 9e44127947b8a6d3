// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "report/style.h"

namespace saturn {

/// Shows how far something is: on a terminal as one line with a bar, drawn over itself at most ten times a
/// second; elsewhere (a log, CI) as a line per interval. Use from one thread. Does not own the clock.
class Progress {
 public:
  struct Options {
    bool terminal = false;  ///< the output can move its cursor (`is_terminal`)
    Style style;
    Seconds interval{10};  ///< between lines where there is no terminal
  };
  using Output = std::function<void(std::string_view)>;

  Progress(const Clock& clock, Output output, Options options);
  /// Removes the bar that still stands.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `fraction` (0 to 1) of it is done; `text` says how much that is and what is under way.
  void update(double fraction, std::string_view text);
  /// A line that stays, above the bar.
  void message(std::string_view line);
  /// Removes the bar: other output may follow.
  void finish();

 private:
  void draw();
  std::string bar() const;

  const Clock& clock_;
  Output output_;
  Options options_;
  std::optional<Seconds> shown_at_;
  bool standing_ = false;  ///< a bar is on the terminal
  double fraction_ = -1;   ///< before the first update
  std::string text_;
};

}  // namespace saturn
