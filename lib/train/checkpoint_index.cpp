// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_index.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "saturn.checkpoint/2";
constexpr const char* kPrefix = "step-";

std::string to_hex(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

std::uint64_t from_hex(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size())
    throw CheckpointError(fmt::format("'{}' is no checksum", text));
  return value;
}

Json to_json(const ShardRecord& record) {
  Json parts = Json::array();
  for (const PartRecord& part : record.parts)
    parts.push_back({{"name", part.name},
                     {"dtype", part.dtype},
                     {"shape", part.shape},
                     {"offset", part.offset},
                     {"elements", part.elements},
                     {"checksum", to_hex(part.checksum)}});
  return {{"file", record.file},
          {"bytes", record.bytes},
          {"header_checksum", to_hex(record.header_checksum)},
          {"parts", std::move(parts)}};
}

PartRecord part_from(const Json& json) {
  PartRecord part{json.at("name").get<std::string>(),
                  json.at("dtype").get<std::string>(),
                  json.at("shape").get<std::vector<std::int64_t>>(),
                  json.at("offset").get<std::int64_t>(),
                  json.at("elements").get<std::int64_t>(),
                  from_hex(json.at("checksum").get<std::string>())};
  const bool negative = std::any_of(part.shape.begin(), part.shape.end(), [](auto n) { return n < 0; });
  if (negative || part.offset < 0 || part.elements < 0)
    throw CheckpointError(fmt::format("tensor '{}' has a negative extent or offset", part.name));
  return part;
}

ShardRecord shard_from(const Json& json) {
  ShardRecord record{json.at("file").get<std::string>(),
                     json.at("bytes").get<std::uint64_t>(),
                     from_hex(json.at("header_checksum").get<std::string>()),
                     {}};
  for (const Json& part : json.at("parts")) record.parts.push_back(part_from(part));
  if (record.file.find('/') != std::string::npos)
    throw CheckpointError(fmt::format("'{}' is no name of a shard", record.file));
  return record;
}

CheckpointIndex index_from(const Json& json) {
  if (json.at("schema") != kSchema)
    throw CheckpointError(
        fmt::format("its schema is {} and this program reads \"{}\"", json["schema"].dump(), kSchema));
  CheckpointIndex index;
  index.state = {json.at("step").get<std::int64_t>(), json.at("task").get<std::string>(),
                 json.at("model").get<std::string>(), json.at("data").get<std::string>(),
                 json.at("seed").get<std::uint64_t>()};
  for (const Json& shard : json.at("shards")) index.shards.push_back(shard_from(shard));
  check_parts(index.shards);
  return index;
}

/// `read` on the parsed text, with the parser's errors turned into ours.
template <typename Read>
auto parsed(const std::string& text, const Read& read) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object())
    throw CheckpointError("it is no JSON map: truncated or damaged");
  try {
    return read(json);
  } catch (const Json::exception& error) {
    throw CheckpointError(fmt::format("a value is missing or of another type ({})", error.what()));
  }
}

/// All parts of one tensor, sorted by offset.
void check_tensor(const std::vector<const PartRecord*>& parts) {
  const PartRecord& first = *parts.front();
  const auto refuse = [&first](const std::string& what) {
    throw CheckpointError(fmt::format("tensor '{}' {}", first.name, what));
  };
  std::int64_t end = 0;
  const std::int64_t elements = elements_of(first.shape);
  const auto expect = [&](std::int64_t offset) {
    if (offset > end) refuse(fmt::format("has no elements [{}, {}): no rank added them", end, offset));
  };
  for (const PartRecord* part : parts) {
    if (part->shape != first.shape || part->dtype != first.dtype)
      refuse(fmt::format("is {}[{}] on one rank and {}[{}] on another", first.dtype,
                         fmt::join(first.shape, ", "), part->dtype, fmt::join(part->shape, ", ")));
    expect(part->offset);
    if (part->offset < end && part->elements == elements) refuse("was added by two ranks");
    if (part->offset < end)
      refuse(fmt::format("has the elements [{}, {}) twice", part->offset,
                         std::min(end, part->offset + part->elements)));
    end = part->offset + part->elements;
  }
  if (end > elements) refuse(fmt::format("has {} elements, and its parts reach to {}", elements, end));
  expect(elements);
}

}  // namespace

std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::string stored_name(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t offset,
                        std::int64_t elements) {
  return offset == 0 && elements == elements_of(shape) ? name : fmt::format("{}#{}", name, offset);
}

void check_parts(const std::vector<ShardRecord>& shards) {
  std::map<std::string, std::vector<const PartRecord*>> tensors;
  for (const ShardRecord& shard : shards)
    for (const PartRecord& part : shard.parts) tensors[part.name].push_back(&part);
  for (auto& [name, parts] : tensors) {
    std::stable_sort(parts.begin(), parts.end(),
                     [](const auto* a, const auto* b) { return a->offset < b->offset; });
    check_tensor(parts);
  }
}

std::string to_text(const CheckpointIndex& index) {
  Json json = {{"schema", kSchema},        {"task", index.state.task}, {"model", index.state.model},
               {"data", index.state.data}, {"seed", index.state.seed}, {"step", index.state.step},
               {"shards", Json::array()}};
  for (const ShardRecord& shard : index.shards) json["shards"].push_back(to_json(shard));
  return json.dump(2) + "\n";
}

CheckpointIndex parse_checkpoint_index(const std::string& text) {
  return parsed(text, index_from);
}

std::string to_text(const ShardRecord& record) {
  return to_json(record).dump(2) + "\n";
}

ShardRecord parse_shard_record(const std::string& text) {
  return parsed(text, shard_from);
}

std::string checkpoint_name(std::int64_t step) {
  return fmt::format("{}{:08}", kPrefix, step);
}

std::int64_t step_of_checkpoint(const std::string& name) {
  std::int64_t step = -1;
  if (!name.starts_with(kPrefix)) return -1;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + std::string(kPrefix).size(), end, step);
  return result.ec == std::errc() && result.ptr == end && checkpoint_name(step) == name ? step : -1;
}

}  // namespace saturn
