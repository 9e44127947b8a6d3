// SPDX-License-Identifier: Apache-2.0
#include "cluster/slurm_allocation.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "cluster/slurm_hostlist.h"

namespace saturn {
namespace {

using Parsed = std::variant<SlurmJob, std::string>;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string_view without_indent(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  return line;
}

/// The value of "KEY=VALUE" in a line of them; empty when it is not there.
std::string_view field(std::string_view line, std::string_view key) {
  for (const std::string_view word : split(line, ' ')) {
    if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=')
      return word.substr(key.size() + 1);
  }
  return {};
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

/// "16000" (MB, which are MiB to Slurm) or "16G".
std::optional<Bytes> memory(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  if (text.empty()) return {};
  int shift = 20;
  if (const std::size_t unit = kUnits.find(text.back()); unit != std::string_view::npos) {
    shift = 10 * (static_cast<int>(unit) + 1);
    text.remove_suffix(1);
  }
  const auto value = number(text);
  if (!value || *value > (std::int64_t{1} << 62 >> shift)) return {};
  return *value << shift;
}

/// "gpu:h100:3(IDX:0-2),gpu:a100:0(IDX:),nvme:1": the GPUs; "" and "(null)" are none. Without IDX (the site
/// has named no device files) they count on.
std::optional<std::vector<SlurmGpu>> gpus(std::string_view gres) {
  std::vector<SlurmGpu> found;
  if (gres == "(null)") return found;
  for (const std::string_view entry : split_outside_brackets(gres)) {
    const std::size_t bracket = std::min(entry.find('('), entry.size());
    const std::vector<std::string_view> words = split(entry.substr(0, bracket), ':');
    if (words.empty() || words[0] != "gpu") continue;
    const auto count = words.size() < 2 ? std::nullopt : number(words.back());
    if (!count || *count > 100'000) return {};
    const std::string type(words.size() > 2 ? words[1] : "");
    std::string_view detail = entry.substr(bracket);
    std::vector<int> indices;
    if (detail.starts_with("(IDX:") && detail.ends_with(")")) {
      const auto listed = expand_numbers(detail.substr(5, detail.size() - 6));
      if (!listed) return {};
      indices = *listed;
    } else {
      for (std::int64_t i = 0; i < *count; ++i)
        indices.push_back(static_cast<int>(found.size()) + static_cast<int>(i));
    }
    if (std::ssize(indices) != *count) return {};
    for (const int index : indices) found.push_back({type, index});
  }
  std::sort(found.begin(), found.end(),
            [](const SlurmGpu& a, const SlurmGpu& b) { return a.index < b.index; });
  return found;
}

/// "Nodes=n[1-2] CPU_IDs=0-3 Mem=4000 GRES=gpu:4(IDX:0-3)": nodes that are alike share a line.
std::optional<std::vector<SlurmNode>> nodes_of_line(std::string_view line) {
  const auto names = expand_hostlist(field(line, "Nodes"));
  const auto cpus = expand_numbers(field(line, "CPU_IDs"));
  const auto bytes = memory(field(line, "Mem"));
  const auto devices = gpus(field(line, "GRES"));
  if (!names || !cpus || !bytes || !devices) return {};
  std::vector<SlurmNode> nodes;
  for (const std::string& name : *names) nodes.push_back({name, *cpus, *bytes, *devices});
  return nodes;
}

/// The lines of the job's own record.
std::vector<std::string_view> record_of(std::string_view text, std::string_view id) {
  std::vector<std::string_view> lines;
  bool inside = false;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("JobId=")) inside = field(line, "JobId") == id;
    if (inside) lines.push_back(without_indent(line));
  }
  return lines;
}

/// The value of a key in the first line that begins with `first`: what users chose stands on other lines.
std::string_view value_of(const std::vector<std::string_view>& lines, std::string_view first,
                          std::string_view key) {
  for (const std::string_view line : lines) {
    if (line.starts_with(first)) return field(line, key);
  }
  return {};
}

}  // namespace

std::optional<Seconds> SlurmJob::time_left() const {
  if (!time_limit) return {};
  return std::max(Seconds(0), *time_limit - run_time);
}

std::optional<Seconds> parse_slurm_time(std::string_view text) {
  std::int64_t days = 0;
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto given = number(text.substr(0, dash));
    if (!given || *given > 1'000'000) return {};
    days = *given;
    text.remove_prefix(dash + 1);
  }
  const auto words = split(text, ':');
  if (words.size() < 2 || words.size() > 3) return {};
  std::int64_t seconds = 0;
  for (const std::string_view word : words) {
    const auto value = number(word);
    if (!value || *value > 1'000'000'000) return {};
    seconds = 60 * seconds + *value;
  }
  return Seconds(static_cast<double>(days * 86'400 + seconds));
}

Parsed parse_job(std::string_view text, std::string_view id) {
  const std::vector<std::string_view> lines = record_of(text, id);
  if (lines.empty()) return fmt::format("it tells of no job {}", id);
  SlurmJob job;
  job.id = id;
  job.state = value_of(lines, "JobState=", "JobState");
  if (job.state.empty()) return "it gives no JobState";
  job.reason = value_of(lines, "JobState=", "Reason");
  if (job.reason == "None") job.reason.clear();
  if (const auto restarts = number(value_of(lines, "Requeue=", "Restarts")))
    job.restarts = static_cast<int>(*restarts);
  const auto run_time = parse_slurm_time(value_of(lines, "RunTime=", "RunTime"));
  if (!run_time) return "it gives no RunTime";
  job.run_time = *run_time;
  job.time_limit = parse_slurm_time(value_of(lines, "RunTime=", "TimeLimit"));  // or UNLIMITED
  for (const std::string_view line : lines) {
    if (!line.starts_with("Nodes=")) continue;
    const auto nodes = nodes_of_line(line);
    if (!nodes) return fmt::format("this line of it cannot be read: '{}'", line);
    job.nodes.insert(job.nodes.end(), nodes->begin(), nodes->end());
  }
  return job;
}

}  // namespace saturn
