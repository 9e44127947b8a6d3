// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/safetensors.h"

namespace saturn::test {

/// Files of the data formats, made for tests.

template <class Number>
std::string bytes_of(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

/// llm.c's token file, of uint16 or uint32; the header says `count` tokens.
template <class Token>
std::string llmc_tokens(const std::vector<Token>& tokens, std::int32_t count,
                        std::int32_t version = sizeof(Token) == 2 ? 1 : 7) {
  std::vector<std::int32_t> header(256);
  header[0] = sizeof(Token) == 2 ? 20240520 : 20240801, header[1] = version, header[2] = count;
  return bytes_of(header) + bytes_of(tokens);
}

inline std::string big_endian(std::int64_t number) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(number >> shift & 0xff);
  return text;
}

/// An idx file of unsigned bytes: `shape` in the header, then the bytes.
inline std::string idx(const std::vector<std::int64_t>& shape, const std::string& bytes) {
  std::string text{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const std::int64_t extent : shape) text += big_endian(extent);
  return text + bytes;
}

/// `count` CIFAR-10 records: record i has label i % 10 and pixel p (i + p) % 256.
inline std::string cifar_records(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += static_cast<char>(i % 10);
    for (int p = 0; p < 3072; ++p) text += static_cast<char>((i + p) % 256);
  }
  return text;
}

struct FakeTensor {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

/// A safetensors file with these tensors, the larger elements first.
inline std::string safetensors(const std::vector<FakeTensor>& tensors) {
  std::vector<SafetensorsEntry> entries;
  for (const FakeTensor& tensor : tensors) entries.push_back({tensor.name, tensor.dtype, tensor.shape, 0, 0});
  std::string text = lay_out_safetensors(entries, {});
  for (const SafetensorsEntry& entry : entries)
    for (const FakeTensor& tensor : tensors)
      if (tensor.name == entry.name) text += tensor.bytes;
  return text;
}

}  // namespace saturn::test
