// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace saturn {

/// The safetensors format: 8 bytes of header length (little-endian), a JSON header {"NAME": {"dtype",
/// "shape", "data_offsets": [begin, end]}, "__metadata__": {text: text}}, then the tensors' bytes without
/// gaps. This file knows the layout only; see checkpoint.h for tensors.

/// One tensor in a file. Offsets count from the end of the header.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  ///< "F32", "I64", ...
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  bool operator==(const SafetensorsEntry&) const = default;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the order of their bytes
  std::map<std::string, std::string> metadata;
  std::uint64_t data_begin = 0;  ///< from the start of the file; a multiple of 8 in files that Saturn writes
};

/// What is wrong with a file's bytes, without the file's name.
class SafetensorsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Bytes of one element; 0 for a dtype that is not known.
std::uint64_t safetensors_element_size(const std::string& dtype);

/// Gives the entries their places (larger elements first, so that every tensor is aligned; else in the order
/// given), and returns the bytes that stand before the tensors' bytes. Pure.
std::string lay_out_safetensors(std::vector<SafetensorsEntry>& entries,
                                const std::map<std::string, std::string>& metadata);

/// Checks the whole header against `file_size`: known dtypes, shapes that agree with the offsets, offsets
/// that fill the file without gap or overlap. `bytes` is the start of the file, at least the header. Errors:
/// SafetensorsError for any input that is not exactly such a file. Pure.
SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::uint64_t file_size);

}  // namespace saturn
