// SPDX-License-Identifier: Apache-2.0
#include "workload/knobs.h"

namespace saturn {

std::string to_text(const Knobs& knobs) {
  std::string text;
  for (const auto& [name, value] : knobs) {
    if (!text.empty()) text += ' ';
    text += name + '=' + value;
  }
  return text;
}

std::string knob_value(const Knobs& knobs, const std::string& name, const std::string& fallback) {
  const auto knob = knobs.find(name);
  return knob == knobs.end() ? fallback : knob->second;
}

}  // namespace saturn
