// SPDX-License-Identifier: Apache-2.0
#include "base/safetensors.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace saturn {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMostHeaderBytes = 100'000'000;  // the limit of the format's own library
constexpr std::uint64_t kAlignment = 8;

constexpr std::array<std::pair<const char*, std::uint64_t>, 13> kDtypes{{{"BOOL", 1},
                                                                         {"F64", 8},
                                                                         {"I64", 8},
                                                                         {"U64", 8},
                                                                         {"F32", 4},
                                                                         {"I32", 4},
                                                                         {"U32", 4},
                                                                         {"F16", 2},
                                                                         {"BF16", 2},
                                                                         {"I16", 2},
                                                                         {"U16", 2},
                                                                         {"I8", 1},
                                                                         {"U8", 1}}};

[[noreturn]] void refuse(const std::string& what) {
  throw SafetensorsError(what);
}

/// The product of the shape and the element size; refuses what does not fit 63 bits.
std::uint64_t bytes_of(const SafetensorsEntry& entry) {
  std::uint64_t bytes = safetensors_element_size(entry.dtype);
  if (bytes == 0) refuse(fmt::format("tensor '{}' has the unknown dtype '{}'", entry.name, entry.dtype));
  for (const std::int64_t extent : entry.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes) ||
        bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      refuse(fmt::format("tensor '{}' has a shape too large for any file", entry.name));
  }
  return bytes;
}

std::vector<std::uint64_t> numbers(const Json& value, const std::string& name, const char* key) {
  const auto found = value.find(key);
  if (found == value.end() || !found->is_array())
    refuse(fmt::format("tensor '{}' has no list '{}'", name, key));
  std::vector<std::uint64_t> result;
  for (const Json& item : *found) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
      refuse(fmt::format("tensor '{}' has {} in '{}'", name,
                         item.dump(-1, ' ', true, Json::error_handler_t::replace), key));
    result.push_back(item.get<std::uint64_t>());
  }
  return result;
}

SafetensorsEntry entry_from(const std::string& name, const Json& value) {
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string())
    refuse(fmt::format("tensor '{}' has no dtype", name));
  SafetensorsEntry entry{name, value["dtype"].get<std::string>(), {}, 0, 0};
  for (const std::uint64_t extent : numbers(value, name, "shape"))
    entry.shape.push_back(static_cast<std::int64_t>(extent));
  const std::vector<std::uint64_t> offsets = numbers(value, name, "data_offsets");
  if (offsets.size() != 2)
    refuse(fmt::format("tensor '{}' has {} data_offsets, not 2", name, offsets.size()));
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

std::map<std::string, std::string> metadata_from(const Json& value) {
  if (!value.is_object()) refuse("__metadata__ is no map of texts");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) refuse("__metadata__ is no map of texts");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

/// The entries, sorted by place, must fill [0, data_bytes) exactly.
void check_places(const std::vector<SafetensorsEntry>& entries, std::uint64_t data_bytes) {
  std::uint64_t place = 0;
  for (const SafetensorsEntry& entry : entries) {
    const std::uint64_t bytes = bytes_of(entry);
    if (entry.begin != place || entry.end < entry.begin || entry.end - entry.begin != bytes)
      refuse(fmt::format("tensor '{}' of {} bytes stands at [{}, {}), where [{}, {}) was expected",
                         entry.name, bytes, entry.begin, entry.end, place, place + bytes));
    place = entry.end;
  }
  if (place != data_bytes)
    refuse(fmt::format("the tensors need {} bytes and the file has {}", place, data_bytes));
}

std::uint64_t header_length(std::span<const std::byte> bytes) {
  std::uint64_t length = 0;
  for (std::uint64_t i = 0; i < kLengthBytes; ++i) length |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return length;
}

Json parse_header(std::span<const std::byte> text) {
  const auto* begin = reinterpret_cast<const char*>(text.data());
  // A depth limit: the parser's own recursion is on the heap, but the values' destructor is not.
  int deepest = 0;
  const auto watch = [&deepest](int depth, Json::parse_event_t, Json&) {
    deepest = std::max(deepest, depth);
    if (deepest > 8) refuse("its header is nested too deeply");
    return true;
  };
  Json header = Json::parse(begin, begin + text.size(), watch, false);
  if (header.is_discarded() || !header.is_object()) refuse("its header is no JSON map");
  return header;
}

}  // namespace

std::uint64_t safetensors_element_size(const std::string& dtype) {
  for (const auto& [name, size] : kDtypes)
    if (dtype == name) return size;
  return 0;
}

std::string lay_out_safetensors(std::vector<SafetensorsEntry>& entries,
                                const std::map<std::string, std::string>& metadata) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return safetensors_element_size(a.dtype) > safetensors_element_size(b.dtype);
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t place = 0;
  for (SafetensorsEntry& entry : entries) {
    entry.begin = place;
    entry.end = place += bytes_of(entry);
    header[entry.name] = {
        {"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text = header.dump();
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  std::string length(kLengthBytes, '\0');
  for (std::uint64_t i = 0; i < kLengthBytes; ++i)
    length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::uint64_t file_size) {
  if (file_size < kLengthBytes || bytes.size() < kLengthBytes)
    refuse(fmt::format("it has {} bytes: too short for a header", file_size));
  const std::uint64_t length = header_length(bytes);
  if (length > kMostHeaderBytes) refuse(fmt::format("its header claims {} bytes", length));
  if (length > file_size - kLengthBytes || length > bytes.size() - kLengthBytes)
    refuse(fmt::format("its header claims {} bytes and only {} follow: it is truncated", length,
                       file_size - kLengthBytes));
  SafetensorsHeader header;
  header.data_begin = kLengthBytes + length;
  const Json json = parse_header(bytes.subspan(kLengthBytes, length));
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__")
      header.metadata = metadata_from(value);
    else
      header.entries.push_back(entry_from(name, value));
  }
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_places(header.entries, file_size - header.data_begin);
  return header;
}

}  // namespace saturn
