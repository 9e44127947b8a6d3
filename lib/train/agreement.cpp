// SPDX-License-Identifier: Apache-2.0
#include "train/agreement.h"

#include <cstring>
#include <vector>

namespace saturn {

std::int64_t agree_on_max(Communicator& communicator, std::int64_t value) {
  communicator.all_reduce({&value, 1, Dtype::kInt64}, Reduction::kMax);
  return value;
}

double agree_on_max(Communicator& communicator, double value) {
  communicator.all_reduce({&value, 1, Dtype::kFloat64}, Reduction::kMax);
  return value;
}

std::int64_t agree_on_sum(Communicator& communicator, std::int64_t value) {
  communicator.all_reduce({&value, 1, Dtype::kInt64}, Reduction::kSum);
  return value;
}

double agree_on_sum(Communicator& communicator, double value) {
  communicator.all_reduce({&value, 1, Dtype::kFloat64}, Reduction::kSum);
  return value;
}

std::string share_text(Communicator& communicator, const std::string& text, int root) {
  auto length = static_cast<std::int64_t>(text.size());
  communicator.broadcast({&length, 1, Dtype::kInt64}, root);
  const auto size = static_cast<std::size_t>(length);
  std::vector<std::int64_t> words((size + 7) / 8);
  if (communicator.rank() == root && size > 0) std::memcpy(words.data(), text.data(), size);
  communicator.broadcast({words.data(), words.size(), Dtype::kInt64}, root);
  return {reinterpret_cast<const char*>(words.data()), size};
}

std::string agree_on_error(Communicator& communicator, const std::string& mine) {
  const int size = communicator.size();
  const auto votes = agree_on_max(communicator, std::int64_t{mine.empty() ? 0 : size - communicator.rank()});
  return votes == 0 ? "" : share_text(communicator, mine, size - static_cast<int>(votes));
}

}  // namespace saturn
