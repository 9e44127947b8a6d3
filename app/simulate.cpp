// SPDX-License-Identifier: Apache-2.0
#include "simulate.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "output.h"

namespace saturn {
namespace {

constexpr double kMostNoise = 1;
constexpr double kLeastSpeed = 1e-3;
constexpr double kMostSpeed = 1e3;

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

/// What stands before the last `mark` and after it; empty: there is none.
std::optional<std::pair<std::string, std::string>> split(const std::string& text, char mark) {
  const size_t at = text.rfind(mark);
  if (at == std::string::npos) return {};
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

class Reader {
 public:
  explicit Reader(const RunSetup& setup) : setup_(setup) {}

  double noise(const std::string& text) {
    if (text.empty()) return 0;
    const bool percent = text.ends_with('%');
    const auto value = number_of(percent ? text.substr(0, text.size() - 1) : text);
    const double noise = value.value_or(-1) / (percent ? 100 : 1);
    if (noise >= 0 && noise <= kMostNoise) return noise;
    error(fmt::format("--noise {}: expected a share from 0 to 100 %, as 5% or 0.05", text));
    return 0;
  }

  void speed(const std::string& text, std::map<std::string, double>& speeds) {
    const auto parts = split(text, '=');
    const auto value = parts ? number_of(parts->second) : std::nullopt;
    if (!value || *value < kLeastSpeed || *value > kMostSpeed)
      return error(fmt::format("--speed {}: expected TASK=FACTOR, as big-model=0.8 (from {} to {})", text,
                               kLeastSpeed, kMostSpeed));
    if (setup_.task(parts->first) == nullptr)
      return error(fmt::format("--speed {}: the workload has no task '{}'{}", text, parts->first,
                               did_you_mean(parts->first, task_names())));
    speeds[parts->first] = *value;
  }

  void outage(const std::string& text, std::vector<Outage>& outages) {
    const auto parts = split(text, '@');
    if (!parts) return error(fmt::format("--fail {}: {}", text, kFailForm));
    const auto back = split(parts->second, '+');
    const auto at = parse_duration(back ? back->first : parts->second);
    const auto away = back ? parse_duration(back->second) : std::nullopt;
    if (!at || (back && !away)) return error(fmt::format("--fail {}: {}", text, kFailForm));
    Outage outage{.at_seconds = at->count(), .node = "", .devices = {}};
    if (away) outage.back_at_seconds = (*at + *away).count();
    if (place(text, parts->first, outage)) outages.push_back(std::move(outage));
  }

  void throw_if_any() {
    if (!errors_.empty()) throw InputError(std::move(errors_));
  }

 private:
  static constexpr const char* kFailForm =
      "expected NODE@TIME, as node3@2h, node3:0,1@2h for some of its devices, node3@2h+30m when it comes "
      "back";

  void error(const std::string& message) { errors_.push_back({"", 0, 0, message, ""}); }

  /// "node3" or "node3:0,1".
  bool place(const std::string& text, const std::string& where, Outage& outage) {
    const auto some = setup_.node(where) == nullptr ? split(where, ':') : std::nullopt;
    outage.node = some ? some->first : where;
    const Node* node = setup_.node(outage.node);
    if (node == nullptr) {
      std::vector<std::string> names;
      for (const Node& known : setup_.cluster.nodes) names.push_back(known.name);
      error(fmt::format("--fail {}: the cluster has no node '{}'{}", text, outage.node,
                        did_you_mean(outage.node, names)));
      return false;
    }
    const auto count = std::ssize(node->devices);
    if (!some) {
      outage.devices.resize(node->devices.size());
      std::iota(outage.devices.begin(), outage.devices.end(), 0);
      return true;
    }
    std::string rest = some->second;
    while (true) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const auto device = number_of(rest.substr(0, comma));
      if (!device || *device != std::floor(*device) || *device < 0 || *device >= static_cast<double>(count)) {
        error(fmt::format("--fail {}: node '{}' has no device '{}' (it has {}, counted from 0)", text,
                          outage.node, rest.substr(0, comma), count));
        return false;
      }
      outage.devices.push_back(static_cast<int>(*device));
      if (comma == rest.size()) return true;
      rest.erase(0, comma + 1);
    }
  }

  std::vector<std::string> task_names() const {
    std::vector<std::string> names;
    for (const TaskSpec& task : setup_.tasks) names.push_back(task.name);
    return names;
  }

  const RunSetup& setup_;
  std::vector<Diagnostic> errors_;
};

}  // namespace

Simulation simulation_of(const SimulateOptions& options, const RunSetup& setup) {
  Reader reader(setup);
  Simulation simulation{.noise = reader.noise(options.noise), .seed = options.seed};
  for (const std::string& text : options.speeds) reader.speed(text, simulation.speeds);
  for (const std::string& text : options.fails) reader.outage(text, simulation.outages);
  reader.throw_if_any();
  return simulation;
}

void SimulationView::message(const std::string& text) {
  say(fmt::format("[{}] {}", to_text_duration(clock_.now()), text));
}

}  // namespace saturn
