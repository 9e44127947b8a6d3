// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "base/file.h"
#include "launch/launcher.h"

namespace saturn {

/// What a launcher of real processes has heard and its owner has not taken yet. One owner, one thread, but
/// for `wake`. Errors of the constructor: SystemError.
class NewsQueue {
 public:
  NewsQueue();

  void push(GangNews news) { news_.push_back(std::move(news)); }
  /// The next thing heard, as Launcher::wait; `poll_once` waits for at most as long as it is told, or until
  /// `descriptor` is readable, and pushes.
  std::optional<GangNews> wait(Seconds timeout, const std::function<void(Seconds)>& poll_once);
  /// Makes a `wait` that is under way return; may be called from any thread.
  void wake();
  int descriptor() const { return wake_.get(); }

 private:
  SteadyClock clock_;
  FileDescriptor wake_;
  std::deque<GangNews> news_;
};

}  // namespace saturn
