// SPDX-License-Identifier: Apache-2.0
#include "train/rows.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <set>

namespace saturn {
namespace {

constexpr const char* kMicroBatch = "micro_batch";
constexpr const char* kAll = "all";

/// "1/4" -> 4; "all" and whatever else there may be -> 1.
std::int64_t divisor_of(const std::string& value) {
  const std::size_t slash = value.find('/');
  if (slash == std::string::npos) return 1;
  return std::max<std::int64_t>(1, std::atoll(value.c_str() + slash + 1));
}

}  // namespace

Rows rows_of_rank(std::int64_t rows, int rank, int ranks) {
  return {rows * rank / ranks, rows * (rank + 1) / ranks};
}

std::vector<Rows> micro_batches(Rows rows, std::int64_t size) {
  std::vector<Rows> all;
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += size)
    all.push_back({begin, std::min(begin + size, rows.end)});
  return all;
}

std::int64_t micro_batch_rows(const TaskSpec& task, const Knobs& knobs, std::int64_t share) {
  if (task.micro_batch_size > 0) return std::min(task.micro_batch_size, share);
  return std::max<std::int64_t>(1, share / divisor_of(knob_value(knobs, kMicroBatch, kAll)));
}

double accumulation_factor(std::int64_t share, std::int64_t micro) {
  constexpr double kEachHalving = 0.25;
  return 1 + kEachHalving * std::log2(static_cast<double>(share) / static_cast<double>(micro));
}

std::vector<Knobs> with_choices(const std::vector<Knobs>& settings, const std::string& knob,
                                const std::vector<std::string>& choices) {
  std::vector<Knobs> all;
  for (const Knobs& setting : settings) {
    for (const std::string& choice : choices) {
      all.push_back(setting);
      all.back()[knob] = choice;
    }
  }
  return choices.empty() ? settings : all;
}

namespace {

/// The values that come to different portions of a share.
std::vector<std::string> different_portions(const TaskSpec& task, const std::vector<std::string>& values,
                                            std::int64_t share) {
  std::vector<std::string> different;
  std::set<std::int64_t> sizes;
  for (const std::string& value : values)
    if (sizes.insert(micro_batch_rows(task, {{kMicroBatch, value}}, share)).second)
      different.push_back(value);
  return different;
}

}  // namespace

std::vector<Knobs> knob_settings(const TaskSpec& task,
                                 const std::map<std::string, std::vector<std::string>>& values,
                                 std::int64_t share) {
  std::vector<Knobs> settings{Knobs{}};
  for (const auto& [knob, choices] : values) {
    if (knob != kMicroBatch) {
      settings = with_choices(settings, knob, choices);
    } else if (task.micro_batch_size == 0) {
      settings = with_choices(settings, knob, different_portions(task, choices, share));
    }
  }
  return settings;
}

std::string uneven_share(const TaskSpec& task, std::int64_t devices) {
  if (task.batch_size % devices == 0) return "";
  return fmt::format("a batch of {} rows cannot be split evenly over {} devices", task.batch_size, devices);
}

}  // namespace saturn
