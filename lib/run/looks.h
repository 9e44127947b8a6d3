// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace saturn {

/// When what is left is planned again, and why: every interval, and after events. One look at a time; times
/// are seconds since the session's start.
class Looks {
 public:
  /// `interval_seconds`: 0 = only after events.
  explicit Looks(double interval_seconds) : interval_(interval_seconds), next_(interval_seconds) {}

  /// As soon as no other look is under way.
  void want(std::string reason) { reasons_.push_back(std::move(reason)); }
  /// The plan in force cannot be carried out any more: now; a look that is under way knows less and counts no
  /// more.
  void need(std::string reason) {
    want(std::move(reason));
    urgent_ = true;
  }
  /// Begins one if there is reason to, and says the reasons.
  std::optional<std::string> begin(double now);
  void end() { under_way_ = false; }
  /// What the look under way finds counts no more.
  bool is_urgent() const { return urgent_; }

  bool pending() const { return under_way_ || !reasons_.empty(); }
  /// When the next one is due without any event; infinity: never, or not before the one under way has ended.
  double next() const;

 private:
  double interval_;
  double next_;
  bool urgent_ = false;
  std::vector<std::string> reasons_;
  bool under_way_ = false;
};

}  // namespace saturn
