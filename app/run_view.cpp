// SPDX-License-Identifier: Apache-2.0
#include "run_view.h"

#include <unistd.h>

#include "base/file.h"

namespace saturn {
namespace {

/// A sweep may have thousands of tasks, and thousands of events a second.
constexpr Seconds kRedraw{0.25};

void to_stderr(std::string_view text) {
  (void)write_all(STDERR_FILENO, text);
}

}  // namespace

RunView::RunView(std::vector<TaskSpec> tasks, const Cluster& cluster)
    : terminal_(is_terminal(STDERR_FILENO)),
      tasks_(std::move(tasks)),
      devices_(device_counts(cluster)),
      progress_(clock_, to_stderr, {}),
      lines_(to_stderr) {}

void RunView::message(const std::string& text) {
  if (terminal_) return lines_.message(text);
  progress_.message(text);
}

void RunView::update(const RunState& state, const Plan& plan) {
  if (state.sessions != session_) {
    session_ = state.sessions;
    began_at_ = clock_.now() - Seconds(state.session_seconds);
  }
  if (!shown_at_ || clock_.now() - *shown_at_ >= kRedraw) show(state, plan);
}

void RunView::show(const RunState& state, const Plan& plan) {
  shown_at_ = clock_.now();
  const LiveRun run{tasks_, state, plan, devices_, (clock_.now() - began_at_).count()};
  if (terminal_) {
    lines_.draw(live_view(run, style_of(STDERR_FILENO), height_of(STDERR_FILENO)));
  } else {
    progress_.update(fraction_done(run), live_line(run));
  }
}

void RunView::finish(const RunState& state, const Plan& plan) {
  show(state, plan);
  lines_.finish();
}

}  // namespace saturn
