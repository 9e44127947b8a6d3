// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace saturn {

/// A checkpoint is damaged or does not fit the model.
class CheckpointError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a checkpoint says besides tensors.
struct CheckpointState {
  std::int64_t step = 0;  ///< steps done; the next batch is that of this number
  std::string task;
  std::string model;  ///< model_signature()
  std::string data;   ///< data_signature(): other data has other batches
  std::uint64_t seed = 0;

  bool operator==(const CheckpointState&) const = default;
};

/// Elements [offset, offset + elements) of a flattened tensor, as a shard has them. A whole tensor stands in
/// the shard under its name and in its shape, any other part as "NAME#OFFSET" in one dimension.
struct PartRecord {
  std::string name;  ///< of the tensor
  std::string dtype;
  std::vector<std::int64_t> shape;  ///< of the whole tensor
  std::int64_t offset = 0;
  std::int64_t elements = 0;
  std::uint64_t checksum = 0;  ///< checksum64 of the part's bytes

  bool operator==(const PartRecord&) const = default;
};

/// The number of elements of a tensor of this shape.
std::int64_t elements_of(const std::vector<std::int64_t>& shape);
/// The name of a part in its shard. Pure.
std::string stored_name(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t offset,
                        std::int64_t elements);

/// What must be found in one shard of a checkpoint.
struct ShardRecord {
  std::string file;  ///< its name in the checkpoint's directory
  std::uint64_t bytes = 0;
  std::uint64_t header_checksum = 0;  ///< checksum64 of all bytes before the tensors'
  std::vector<PartRecord> parts;      ///< in the order of their bytes

  bool operator==(const ShardRecord&) const = default;
};

/// The parts of all shards must make whole tensors: one shape and dtype each, every element there once.
/// Errors: CheckpointError (the tensor, the elements that are missing or there twice). Pure.
void check_parts(const std::vector<ShardRecord>& shards);

/// The content of checkpoint.json:
///   {"schema": "saturn.checkpoint/2", "task", "model", "data", "seed", "step", "shards": [
///     {"file": "model-00000-of-00002.safetensors", "bytes": 1234, "header_checksum": "16 hex digits",
///      "parts": [{"name": "h.0.ln_1.weight", "dtype": "F32", "shape": [768], "offset": 0, "elements": 384,
///                 "checksum": "16 hex digits"}, ...]}, ...]}
struct CheckpointIndex {
  CheckpointState state;
  std::vector<ShardRecord> shards;
};

/// JSON texts, and back. Errors of parsing: CheckpointError (what is wrong, without the file's name; an index
/// also when check_parts refuses it). Pure.
std::string to_text(const CheckpointIndex& index);
CheckpointIndex parse_checkpoint_index(const std::string& text);
std::string to_text(const ShardRecord& record);
ShardRecord parse_shard_record(const std::string& text);

/// In a checkpoint's directory.
inline constexpr const char* kCheckpointIndexFile = "checkpoint.json";

/// "step-00001234" and back; -1 for any other name.
std::string checkpoint_name(std::int64_t step);
std::int64_t step_of_checkpoint(const std::string& name);

}  // namespace saturn
