// SPDX-License-Identifier: Apache-2.0
#include "cluster/gpu_health.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace saturn {
namespace {

constexpr std::array<const char*, 3> kWords{"well", "lost", "unknown"};

std::optional<GpuHealth> health_of(const std::string& word) {
  for (size_t i = 0; i < kWords.size(); ++i)
    if (word == kWords[i]) return static_cast<GpuHealth>(i);
  return {};
}

}  // namespace

std::string to_line(const std::vector<GpuReading>& look) {
  nlohmann::ordered_json gpus = nlohmann::ordered_json::array();
  for (const GpuReading& reading : look) {
    gpus.push_back({{"uuid", reading.uuid},
                    {"health", kWords[static_cast<size_t>(reading.health)]},
                    {"why", reading.why}});
  }
  // Whatever bytes a driver says, the line is one.
  return nlohmann::ordered_json{{"gpus", gpus}}.dump(-1, ' ', false,
                                                     nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

std::optional<std::vector<GpuReading>> parse_look(std::string_view line) {
  try {
    std::vector<GpuReading> look;
    const nlohmann::json json = nlohmann::json::parse(line);
    for (const nlohmann::json& gpu : json.at("gpus")) {
      const auto health = health_of(gpu.at("health"));
      if (!health) return {};
      look.push_back({gpu.at("uuid"), *health, gpu.at("why")});
    }
    return look;
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

GpuHistory::Known& GpuHistory::known(const std::string& uuid) {
  const auto found = std::find_if(gpus_.begin(), gpus_.end(), [&](const Known& k) { return k.uuid == uuid; });
  return found != gpus_.end() ? *found : gpus_.emplace_back(Known{uuid});
}

std::vector<GpuChange> GpuHistory::add(const std::vector<GpuReading>& look) {
  std::vector<GpuChange> changes;
  const bool blind = std::all_of(look.begin(), look.end(), [](const GpuReading& reading) {
    return reading.health == GpuHealth::kUnknown;
  });
  blind_because_ = blind && !look.empty() ? look.front().why : "";
  for (const GpuReading& reading : look) {
    Known& gpu = known(reading.uuid);
    const bool differs = reading.health == (gpu.lost ? GpuHealth::kWell : GpuHealth::kLost);
    const bool confirmed = differs && gpu.doubted;
    gpu.doubted = differs && !confirmed;
    if (!confirmed) continue;
    gpu.lost = !gpu.lost;
    changes.push_back({gpu.uuid, gpu.lost, gpu.lost ? reading.why : ""});
  }
  return changes;
}

}  // namespace saturn
