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

}  // namespace saturn
