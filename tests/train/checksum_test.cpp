// SPDX-License-Identifier: Apache-2.0
#include "train/checksum.h"

#include <doctest/doctest.h>
#include <string>

namespace saturn::checksum_test {

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

TEST_CASE("the checksum sees every flipped bit and every length") {
  for (std::size_t size = 0; size < 100; ++size) {
    std::string text(size, '\0');
    const std::uint64_t before = checksum64(bytes_of(text));
    CHECK(checksum64(bytes_of(text + '\0')) != before);
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
      CHECK(checksum64(bytes_of(text)) != before);
      text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    }
  }
}

TEST_CASE("the checksum stays what it was: checkpoints are read by later versions") {
  CHECK(checksum64(bytes_of("")) == 10007490141009759377ULL);
  CHECK(checksum64(bytes_of("a checkpoint of forty-five bytes, four lanes.")) == 1895978092451041953ULL);
}

}  // namespace saturn::checksum_test
