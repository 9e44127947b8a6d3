// SPDX-License-Identifier: Apache-2.0
#include "base/safetensors.h"

#include <cstring>
#include <doctest/doctest.h>
#include <string>

namespace saturn::safetensors_test {

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string file_of(const std::string& json, std::size_t data_bytes) {
  std::string file(8, '\0');
  const std::uint64_t length = json.size();
  std::memcpy(file.data(), &length, 8);
  return file + json + std::string(data_bytes, 'x');
}

std::string refusal(const std::string& file) {
  try {
    (void)parse_safetensors(bytes_of(file), file.size());
  } catch (const SafetensorsError& error) {
    return error.what();
  }
  return "";
}

std::string good_file() {
  std::vector<SafetensorsEntry> entries{
      {"bias", "F32", {3}, 0, 0}, {"step", "I64", {}, 0, 0}, {"mask", "U8", {5}, 0, 0}};
  return lay_out_safetensors(entries, {{"format", "pt"}}) + std::string(25, 'x');
}

}  // namespace

TEST_CASE("a file that was laid out is read back: larger elements first, no gaps, data on a multiple of 8") {
  const std::string file = good_file();
  const SafetensorsHeader header = parse_safetensors(bytes_of(file), file.size());
  CHECK(header.data_begin % 8 == 0);
  CHECK(header.data_begin + 25 == file.size());
  CHECK(header.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK(header.entries == std::vector<SafetensorsEntry>{{"step", "I64", {}, 0, 8},
                                                        {"bias", "F32", {3}, 8, 20},
                                                        {"mask", "U8", {5}, 20, 25}});
}

TEST_CASE("a file without tensors is one") {
  std::vector<SafetensorsEntry> entries;
  const std::string file = lay_out_safetensors(entries, {});
  CHECK(parse_safetensors(bytes_of(file), file.size()).entries.empty());
}

TEST_CASE("a file cut anywhere is refused") {
  const std::string file = good_file();
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    CHECK(refusal(file.substr(0, size)) != "");
  }
  CHECK(refusal(file.substr(0, 5)) == "it has 5 bytes: too short for a header");
  CHECK(refusal(file.substr(0, 20)) == "its header claims 208 bytes and only 12 follow: it is truncated");
  CHECK(refusal(file.substr(0, file.size() - 1)) == "the tensors need 25 bytes and the file has 24");
  CHECK(refusal(file + "y") == "the tensors need 25 bytes and the file has 26");
}

TEST_CASE("no flipped bit in the header crashes the reader or makes a tensor reach out of the file") {
  const std::string file = good_file();
  for (std::size_t bit = 0; bit < 8 * (file.size() - 25); ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      const SafetensorsHeader header = parse_safetensors(bytes_of(damaged), damaged.size());
      for (const SafetensorsEntry& entry : header.entries)
        CHECK(header.data_begin + entry.end <= damaged.size());
    } catch (const SafetensorsError&) {
    }
  }
}

TEST_CASE("a header that is wrong is refused with what is wrong") {
  CHECK(refusal(file_of("[]", 0)) == "its header is no JSON map");
  CHECK(refusal(file_of("{\"a\":", 0)) == "its header is no JSON map");
  CHECK(refusal(file_of(R"({"a":5})", 0)) == "tensor 'a' has no dtype");
  CHECK(refusal(file_of(R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4)) ==
        "tensor 'a' has the unknown dtype 'F99'");
  CHECK(refusal(file_of(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4)) ==
        "tensor 'a' has -1 in 'shape'");
  CHECK(refusal(file_of(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4)) ==
        "tensor 'a' has no list 'shape'");
  CHECK(refusal(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4)) ==
        "tensor 'a' has 1 data_offsets, not 2");
  CHECK(refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4)) ==
        "tensor 'a' of 8 bytes stands at [0, 4), where [0, 8) was expected");
  CHECK(refusal(file_of(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
                        0)) == "tensor 'a' has a shape too large for any file");
  CHECK(refusal(file_of(R"({"__metadata__":{"a":1}})", 0)) == "__metadata__ is no map of texts");
  CHECK(refusal(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8)) ==
        "its header claims 9223372036854775807 bytes");
  CHECK(refusal(file_of("{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}", 0)) ==
        "its header is nested too deeply");
}

TEST_CASE("two tensors that share bytes are refused") {
  CHECK(refusal(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                        R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                        4)) == "tensor 'b' of 4 bytes stands at [0, 4), where [4, 8) was expected");
}

}  // namespace saturn::safetensors_test
