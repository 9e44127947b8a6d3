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

Bytes ModelCosts::activation_bytes(std::int64_t of_rows) const {
  Bytes sum = 0;
  for (const BlockCost& block : blocks) sum += block.activation_bytes;
  return scaled(sum, of_rows, rows);
}

Bytes ModelCosts::checkpointed_bytes(std::int64_t of_rows) const {
  Bytes outputs = 0, largest = 0;
  for (const BlockCost& block : blocks) {
    outputs += block.output_bytes;
    largest = std::max(largest, block.activation_bytes);
  }
  return scaled(outputs + largest, of_rows, rows);
}

}  // namespace saturn
