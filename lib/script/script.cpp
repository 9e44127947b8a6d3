// SPDX-License-Identifier: Apache-2.0
#include "script/script.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <utility>

#include "script/process_tree.h"

namespace saturn {
namespace {

constexpr std::size_t kMostLog = std::size_t{64} << 20;
constexpr std::size_t kLongestLine = 1 << 20;
constexpr std::size_t kTailLines = 20;
constexpr std::size_t kLongestQuote = 300;
/// Memory is looked at often at first, when it grows.
constexpr double kOftenFor = 30, kSampleOften = 0.25, kSampleEvery = 1;

/// How libraries say it.
bool speaks_of_memory(std::string_view line) {
  std::string lower;
  for (const char c : line.substr(0, 4096))
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<const char*, 7> kWords{
      "out of memory",          "outofmemory",        "memoryerror", "bad_alloc",
      "cannot allocate memory", "resource_exhausted", "oom-kill"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](const char* word) { return lower.find(word) != std::string::npos; });
}

std::string quote(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  line.remove_prefix(begin);
  return std::string(line.substr(0, kLongestQuote)) + (line.size() > kLongestQuote ? "..." : "");
}

std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

std::string exit_text(int code) {
  if (code <= 128) return fmt::format("exited with code {}", code);
  return "was killed by " + signal_text(code - 128) +
         (code == 128 + 9 ? " (the system may be out of memory)" : "");
}

}  // namespace

Script::Script(const ScriptSpec& spec, const Clock& clock)
    : clock_(clock),
      process_(spec.process),
      progress_(spec.patterns),
      budget_(spec.memory_budget),
      started_at_(clock.now().count()),
      output_{process_.output(), {}},
      errors_{process_.errors(), {}} {}

std::vector<HeardNews> Script::wait(Seconds timeout, int wake_fd) {
  std::vector<HeardNews> news;
  if (ended()) return news;
  const double until_sample = std::max(next_sample_ - clock_.now().count(), 0.0);
  const double seconds = std::min(timeout.count(), until_sample);
  pollfd polled[] = {{output_.open ? output_.fd : -1, POLLIN, 0},
                     {errors_.open ? errors_.fd : -1, POLLIN, 0},
                     {process_.ended(), POLLIN, 0},
                     {wake_fd, POLLIN, 0}};
  ::poll(polled, 4, static_cast<int>(seconds * 1e3) + 1);
  if (polled[0].revents != 0) read(output_, news);
  if (polled[1].revents != 0) read(errors_, news);
  if (clock_.now().count() >= next_sample_) sample_memory();
  if (polled[2].revents != 0) take_end(news);
  return news;
}

void Script::ask_to_stop() {
  if (!ended()) sample_memory();  // of a trial that is over before the next look
  process_.ask_to_stop();
}

/// Whether there may be more.
bool Script::read(Stream& stream, std::vector<HeardNews>& news) {
  std::array<char, 65536> buffer{};
  const ssize_t n = ::read(stream.fd, buffer.data(), buffer.size());
  if (n < 0) return false;  // nothing for now
  if (n == 0) stream.open = false;
  stream.partial.append(buffer.data(), static_cast<size_t>(n));
  const bool is_error = &stream == &errors_;
  size_t begin = 0;
  // Progress bars write over their line.
  for (size_t end = 0; (end = stream.partial.find_first_of("\n\r", begin)) != std::string::npos;
       begin = end + 1)
    take_line(std::string_view(stream.partial).substr(begin, end - begin), is_error, news);
  stream.partial.erase(0, begin);
  if (!stream.open || stream.partial.size() > kLongestLine) end_line(stream, news);
  return n > 0;
}

void Script::end_line(Stream& stream, std::vector<HeardNews>& news) {
  take_line(std::exchange(stream.partial, {}), &stream == &errors_, news);
}

void Script::take_line(std::string_view line, bool is_error, std::vector<HeardNews>& news) {
  if (line.empty()) return;
  const double at = clock_.now().count();
  std::vector<ScriptNews> said = progress_.read(line);
  for (ScriptNews& what : said) news.push_back({std::move(what), at});
  const bool is_event = !said.empty() && line.find("\"event\"") != std::string_view::npos;
  if (is_event) return;
  log(line);
  if (!progress_.complaint().empty() && progress_.complaint() != last_complaint_) {
    last_complaint_ = progress_.complaint();
    log("saturn: the line before is taken for no event: " + last_complaint_);
  }
  if (speaks_of_memory(line)) memory_words_ = quote(line);
  if (is_error && line.find_first_not_of(" \t") != std::string_view::npos) last_error_ = quote(line);
}

void Script::log(std::string_view line) {
  tail_.emplace_back(line.substr(0, 4096));
  if (tail_.size() > kTailLines) tail_.pop_front();
  if (logged_ > kMostLog) {
    if (!std::exchange(log_is_full_, true))
      (void)write_all(STDERR_FILENO,
                      "saturn: the log is full; what the script says from here on is dropped\n");
    return;
  }
  logged_ += line.size() + 1;
  (void)write_all(STDERR_FILENO, std::string(line) + "\n");
}

void Script::sample_memory() {
  const double now = clock_.now().count();
  next_sample_ = now + (now - started_at_ < kOftenFor ? kSampleOften : kSampleEvery);
  const Bytes bytes = resident_bytes(process_.processes());
  peak_ = std::max(peak_, bytes);
  if (budget_ <= 0 || bytes <= budget_ || !over_budget_.empty()) return;
  over_budget_ = fmt::format("out of memory: its processes have {}, over the budget of {}",
                             to_text_bytes(bytes), to_text_bytes(budget_));
  process_.kill();
}

/// What was written before the end is still in the pipes.
void Script::take_end(std::vector<HeardNews>& news) {
  code_ = process_.reap();
  for (Stream* stream : {&output_, &errors_}) {
    while (stream->open && read(*stream, news)) {
    }
    end_line(*stream, news);
  }
  if (log_is_full_) {
    for (const std::string& line : tail_) (void)write_all(STDERR_FILENO, line + "\n");
  }
}

std::string Script::tail() const {
  return fmt::format("{}", fmt::join(tail_, "\n"));
}

Failed Script::failure() const {
  if (!over_budget_.empty()) return {Failed::Reason::kOutOfMemory, over_budget_};
  const std::string how = exit_text(code_.value());
  if (!memory_words_.empty() && *code_ != 0)
    return {Failed::Reason::kOutOfMemory, fmt::format("out of memory: {} ({})", memory_words_, how)};
  return {Failed::Reason::kError,
          fmt::format("the command {}{}{}", how, last_error_.empty() ? "" : ": ", last_error_)};
}

}  // namespace saturn
