// SPDX-License-Identifier: Apache-2.0
#include "train/model_costs.h"

#include <algorithm>

namespace saturn {
namespace {

Bytes scaled(Bytes bytes, std::int64_t rows, std::int64_t measured) {
  return static_cast<Bytes>(static_cast<double>(bytes) * static_cast<double>(rows) /
                            static_cast<double>(std::max<std::int64_t>(measured, 1)));
}

}  // namespace

std::int64_t ModelCosts::parameters() const {
  std::int64_t sum = 0;
  for (const BlockCost& block : blocks) sum += block.parameters;
  return sum;
}

double ModelCosts::step_seconds(std::int64_t of_rows) const {
  double sum = 0;
  for (const BlockCost& block : blocks) sum += block.forward_seconds + block.backward_seconds;
  return sum * static_cast<double>(of_rows) / static_cast<double>(std::max<std::int64_t>(rows, 1));
}

Bytes ModelCosts::kept_bytes(std::int64_t of_rows, Keep keep) const {
  Bytes everything = 0, outputs = 0, largest = 0;
  for (const BlockCost& block : blocks) {
    everything += block.activation_bytes;
    outputs += block.output_bytes;
    largest = std::max(largest, block.activation_bytes);
  }
  return scaled(keep == Keep::kInput ? outputs + largest : everything, of_rows, rows);
}

}  // namespace saturn
