// SPDX-License-Identifier: Apache-2.0
#include "plan_view.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "report/plan_report.h"

namespace saturn {
namespace {

constexpr Seconds kTick{0.1};
/// A solve that is over sooner needs no bar; a log needs no line for one within an interval.
constexpr Seconds kBarAfter{0.3};
constexpr Seconds kLineAfter{10};

Progress::Options options_of_standard_error() {
  return {.terminal = is_terminal(STDERR_FILENO), .style = style_of(STDERR_FILENO), .interval = kLineAfter};
}

}  // namespace

PlanView::PlanView(Seconds time_limit)
    : progress_(
          clock_, [](std::string_view text) { (void)write_all(STDERR_FILENO, text); },
          options_of_standard_error()),
      time_limit_(time_limit),
      begun_(clock_.now()),
      terminal_(is_terminal(STDERR_FILENO)),
      drawer_([this] { draw_until_over(); }) {}

PlanView::~PlanView() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  over_changed_.notify_all();
  drawer_.join();
}

void PlanView::show(const SolveProgress& now) {
  const std::lock_guard lock(mutex_);
  latest_ = now;
}

void PlanView::draw_until_over() {
  const Seconds first = terminal_ ? kBarAfter : kLineAfter;
  std::unique_lock lock(mutex_);
  while (!over_changed_.wait_for(lock, kTick, [this] { return over_; })) {
    const Seconds elapsed = clock_.now() - begun_;
    if (elapsed < first) continue;
    const std::string text = fmt::format(
        "planning {}: {}", to_text_duration(Seconds(std::round(elapsed.count()))), solve_text(latest_));
    const double fraction = time_limit_.count() > 0 ? elapsed / time_limit_ : 1;
    progress_.update(std::min(fraction, 0.99), text);
  }
  progress_.finish();
}

}  // namespace saturn
