// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

namespace saturn {

/// How a text of tokens is divided: the training part comes first, the held-out part is its end. `saturn`
/// counts steps with it and the worker cuts batches with it, so that both always agree.
struct TextSplit {
  std::int64_t training_tokens = 0;
  std::int64_t validation_tokens = 0;
  std::int64_t training_blocks = 0;    ///< blocks of `context` tokens that have a next token each
  std::int64_t validation_blocks = 0;  ///< the same in the held-out part
};

/// Blocks of `context` tokens in `tokens`, each with the token after it (the last target).
inline std::int64_t blocks_in(std::int64_t tokens, std::int64_t context) {
  return tokens > context ? (tokens - 1) / context : 0;
}

/// Holds out floor(total_tokens x validation_fraction) tokens. 0 <= validation_fraction < 1, context >= 1.
inline TextSplit split_text(std::int64_t total_tokens, double validation_fraction, std::int64_t context) {
  TextSplit split;
  split.validation_tokens =
      static_cast<std::int64_t>(std::floor(static_cast<double>(total_tokens) * validation_fraction));
  split.training_tokens = total_tokens - split.validation_tokens;
  split.training_blocks = blocks_in(split.training_tokens, context);
  split.validation_blocks = blocks_in(split.validation_tokens, context);
  return split;
}

/// Steps in `epochs` passes over the training tokens, at least one.
inline std::int64_t steps_in_epochs(const TextSplit& split, double epochs, std::int64_t batch_size,
                                    std::int64_t context) {
  const double tokens = epochs * static_cast<double>(split.training_tokens);
  const auto steps = static_cast<std::int64_t>(
      std::floor(tokens / (static_cast<double>(batch_size) * static_cast<double>(context))));
  return steps < 1 ? 1 : steps;
}

}  // namespace saturn
