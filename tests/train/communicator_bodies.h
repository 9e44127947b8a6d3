// SPDX-License-Identifier: Apache-2.0
// What ranks do to find out whether a communicator keeps its promises, however it is made.
#pragma once

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "train/collectives.h"
#include "train/gang.h"
#include "train/reduce.h"

namespace saturn {

inline std::string try_everything(Communicator& communicator) {
  std::string wrong;
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kBFloat16, Dtype::kInt64}) {
    const std::size_t chunk = kSmall.slot_bytes / size_of(dtype);
    const std::size_t inline_count = kInlineBytes / size_of(dtype);
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, inline_count,
                                    inline_count + 1, chunk - 1, chunk, chunk + 1, 5 * chunk + 3}) {
      wrong += try_collectives(communicator, count, dtype);
    }
  }
  return wrong;
}

inline double noise(int rank, std::size_t i) {
  return std::sin(static_cast<double>(i * 37 % 1009) + rank * 0.37) * std::pow(10.0, rank * 2 - 3);
}

/// The sum that rank 0 + rank 1 + ... gives, as bytes, for a payload of either path.
inline std::string try_order(Communicator& c, std::size_t count, Dtype dtype) {
  std::vector<Numbers> all;
  std::vector<const void*> sources;
  for (int r = 0; r < c.size(); ++r) all.emplace_back(count, dtype, [r](auto i) { return noise(r, i); });
  for (Numbers& numbers : all) sources.push_back(numbers.buffer().data);
  Numbers expected(count, dtype, [](auto) { return 0.0; });
  reduce(sources, count, dtype, Reduction::kSum, expected.buffer().data);
  Numbers is = all[static_cast<std::size_t>(c.rank())];
  c.all_reduce(is.buffer(), Reduction::kSum);
  const bool same = std::memcmp(is.buffer().data, expected.buffer().data, count * size_of(dtype)) == 0;
  return same ? "" : fmt::format("{} elements of dtype {} differ\n", count, static_cast<int>(dtype));
}

inline std::vector<std::string> nothing_wrong(int size) {
  return std::vector<std::string>(std::size_t(size));
}

inline std::string try_orders(Communicator& c) {
  std::string wrong;
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kBFloat16}) {
    for (const std::size_t count : {5, 1000, 5000, 40000}) wrong += try_order(c, count, dtype);
  }
  return wrong;
}

/// Rank 0 sends `there` elements and rank 1 `back`, three times over, among sends and receives.
inline std::string try_exchange(Communicator& c, std::size_t there, std::size_t back, Dtype dtype) {
  const int peer = 1 - c.rank();
  const std::size_t out_count = c.rank() == 0 ? there : back;
  const std::size_t in_count = c.rank() == 0 ? back : there;
  std::string wrong;
  for (int round = 0; round < 3; ++round) {
    const auto value = [round](int rank, std::size_t i) { return value_of(rank + round, i); };
    Numbers out(out_count, dtype, [&](auto i) { return value(c.rank(), i); });
    Numbers in(in_count, dtype, [](auto) { return 0.0; });
    Numbers before(3, dtype, [&](auto i) { return value(c.rank(), i + 5); });
    c.send(before.buffer(), peer);  // one message may wait in the channel
    c.receive(before.buffer(), peer);
    c.exchange(out.buffer(), in.buffer(), peer);
    wrong += before.differs("message before", [&](auto i) { return value(peer, i + 5); });
    wrong += in.differs("exchange", [&](auto i) { return value(peer, i); });
  }
  return wrong;
}

inline std::string try_exchanges(Communicator& c) {
  std::string wrong;
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kBFloat16, Dtype::kInt64}) {
    const std::size_t chunk = kSmall.channel_bytes / size_of(dtype);
    const std::size_t sizes[] = {0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 9 * chunk + 5};
    for (const std::size_t there : sizes) {
      for (const std::size_t back : sizes) wrong += try_exchange(c, there, back, dtype);
    }
  }
  return wrong;
}

inline std::string try_exchanges_of_four(Communicator& c) {
  std::string wrong;
  const std::size_t count = 3 * kSmall.channel_bytes;
  for (int distance = 1; distance < 4; ++distance) {
    const int peer = c.rank() ^ distance;
    Numbers out(count, Dtype::kFloat32, [&](auto i) { return value_of(c.rank(), i); });
    Numbers in(count, Dtype::kFloat32, [](auto) { return 0.0; });
    c.exchange(out.buffer(), in.buffer(), peer);
    wrong += in.differs("exchange", [&](auto i) { return value_of(peer, i); });
  }
  return wrong;
}

}  // namespace saturn
