// SPDX-License-Identifier: Apache-2.0
#include "report/progress.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace saturn {
namespace {

constexpr Seconds kRedraw{0.1};
constexpr int kProgressWidth = 24;
constexpr std::string_view kEraseLine = "\r\x1b[K";

}  // namespace

Progress::Progress(const Clock& clock, Output output, Options options)
    : clock_(clock), output_(std::move(output)), options_(options) {}

Progress::~Progress() {
  finish();
}

void Progress::update(double fraction, std::string_view text) {
  const bool news = fraction != fraction_;
  fraction_ = fraction;
  text_ = one_line(text);
  const Seconds since = shown_at_ ? clock_.now() - *shown_at_ : Seconds(0);
  const bool due = !shown_at_ || since >= (options_.terminal ? kRedraw : options_.interval);
  // On a terminal a step forward is seen at once; a log gets its line per interval, and one for the end.
  const bool last = news && fraction >= 1;
  if (due || last || (news && options_.terminal)) draw();
}

void Progress::message(std::string_view line) {
  finish();
  output_(std::string(line) + "\n");
  if (options_.terminal && shown_at_) draw();
}

void Progress::finish() {
  if (standing_) output_(kEraseLine);
  standing_ = false;
}

void Progress::draw() {
  shown_at_ = clock_.now();
  if (!options_.terminal) {
    output_(text_ + "\n");
    return;
  }
  output_(std::string(kEraseLine) + bar());
  standing_ = true;
}

std::string Progress::bar() const {
  const auto filled = static_cast<size_t>(std::clamp(fraction_, 0.0, 1.0) * kProgressWidth);
  const std::string tail = " " + text_;
  // One column stays free: a full line would wrap on some terminals.
  const int room = options_.style.width - kProgressWidth - 3;
  return "[" + paint(options_.style, Ink::kGreen, std::string(filled, '#')) +
         std::string(kProgressWidth - filled, '.') + "]" + cut(tail, static_cast<size_t>(std::max(room, 1)));
}

}  // namespace saturn
