// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_index.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "saturn.checkpoint/1";
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
  Json tensors = Json::object();
  for (const auto& [name, checksum] : record.tensors) tensors[name] = to_hex(checksum);
  return {{"file", record.file},
          {"bytes", record.bytes},
          {"header_checksum", to_hex(record.header_checksum)},
          {"tensors", std::move(tensors)}};
}

ShardRecord shard_from(const Json& json) {
  ShardRecord record{json.at("file").get<std::string>(),
                     json.at("bytes").get<std::uint64_t>(),
                     from_hex(json.at("header_checksum").get<std::string>()),
                     {}};
  for (const auto& [name, checksum] : json.at("tensors").items())
    record.tensors[name] = from_hex(checksum.get<std::string>());
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

}  // namespace

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
