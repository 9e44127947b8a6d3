// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saturn {

/// Whether a GPU can be used, as far as its driver tells. kUnknown: the driver itself does not answer as it
/// should, which says nothing about the GPU.
enum class GpuHealth { kWell, kLost, kUnknown };

struct GpuReading {
  std::string uuid;
  GpuHealth health = GpuHealth::kUnknown;
  std::string why;  ///< it is lost or unknown, in the driver's words

  bool operator==(const GpuReading&) const = default;
};

/// One line of JSON with its end: what one look at some GPUs has given.
std::string to_line(const std::vector<GpuReading>& look);
/// Empty when the line (without its end) is none of them.
std::optional<std::vector<GpuReading>> parse_look(std::string_view line);

/// What has become of one GPU.
struct GpuChange {
  std::string uuid;
  bool lost = false;  ///< else it is back
  std::string why;    ///< it is lost

  bool operator==(const GpuChange&) const = default;
};

/// Makes news of looks: a GPU is lost, or back, when two looks in a row say so. Nothing is concluded from
/// what is unknown.
class GpuHistory {
 public:
  /// GPUs that it has not heard of before are taken to have been well.
  std::vector<GpuChange> add(const std::vector<GpuReading>& look);
  /// Why nothing was known of any GPU at the last look; empty: something was.
  const std::string& blind_because() const { return blind_because_; }

 private:
  struct Known {
    std::string uuid;
    bool lost = false;
    bool doubted = false;  ///< the last look said otherwise
  };
  Known& known(const std::string& uuid);

  std::vector<Known> gpus_;
  std::string blind_because_;
};

}  // namespace saturn
