// SPDX-License-Identifier: Apache-2.0
#include "train/stage_split.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace saturn {
namespace {

StageSplit even_split(std::size_t blocks, std::size_t stages) {
  StageSplit split;
  for (std::size_t stage = 0; stage < stages; ++stage)
    split.push_back(blocks * (stage + 1) / stages - blocks * stage / stages);
  return split;
}

/// 0 for what is no number.
std::size_t number_from(const std::string& text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

StageSplit parsed(const std::string& text) {
  StageSplit split;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, '+');) split.push_back(number_from(part));
  return split;
}

}  // namespace

std::string to_text(const StageSplit& split) {
  return fmt::format("{}", fmt::join(split, "+"));
}

StageSplit split_from(const std::string& text, std::size_t blocks, std::size_t stages) {
  StageSplit split = text == "auto" ? even_split(blocks, stages) : parsed(text);
  const bool possible = std::all_of(split.begin(), split.end(),
                                    [&](std::size_t count) { return count >= 1 && count <= blocks; });
  if (!possible || split.size() != stages || std::reduce(split.begin(), split.end()) != blocks)
    throw std::invalid_argument(
        fmt::format("split '{}' does not divide the model's {} blocks among {} devices (as '3+4' does 7 "
                    "blocks among 2)",
                    text, blocks, stages));
  return split;
}

/// slowest[k][end]: the least that the slowest of the first k stages can take when they hold `end` blocks.
StageSplit balance_stages(const std::vector<double>& seconds, std::size_t stages, const StageFits& fits) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const std::size_t blocks = seconds.size();
  std::vector<double> sums(blocks + 1);
  for (std::size_t i = 0; i < blocks; ++i) sums[i + 1] = sums[i] + seconds[i];
  std::vector<std::vector<double>> slowest(stages + 1, std::vector<double>(blocks + 1, kNever));
  std::vector<std::vector<std::size_t>> begins(stages + 1, std::vector<std::size_t>(blocks + 1));
  slowest[0][0] = 0;
  for (std::size_t k = 1; k <= stages; ++k)
    for (std::size_t end = k; end <= blocks; ++end)
      for (std::size_t begin = k - 1; begin < end; ++begin) {
        if (slowest[k - 1][begin] == kNever || !fits(begin, end, k - 1)) continue;
        const double time = std::max(slowest[k - 1][begin], sums[end] - sums[begin]);
        if (time < slowest[k][end]) slowest[k][end] = time, begins[k][end] = begin;
      }
  if (slowest[stages][blocks] == kNever) return {};
  StageSplit counts(stages);
  for (std::size_t k = stages, end = blocks; k > 0; end = begins[k][end], --k)
    counts[k - 1] = end - begins[k][end];
  return counts;
}

}  // namespace saturn
