// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
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

/// What must be found in one shard of a checkpoint. Checksums are checksum64's.
struct ShardRecord {
  std::string file;  ///< its name in the checkpoint's directory
  std::uint64_t bytes = 0;
  std::uint64_t header_checksum = 0;             ///< of all bytes before the tensors'
  std::map<std::string, std::uint64_t> tensors;  ///< name -> checksum of its bytes

  bool operator==(const ShardRecord&) const = default;
};

/// The content of checkpoint.json.
struct CheckpointIndex {
  CheckpointState state;
  std::vector<ShardRecord> shards;
};

/// JSON texts, and back. Errors of parsing: CheckpointError (what is wrong, without the file's name). Pure.
std::string to_text(const CheckpointIndex& index);
CheckpointIndex parse_checkpoint_index(const std::string& text);
std::string to_text(const ShardRecord& record);
ShardRecord parse_shard_record(const std::string& text);

/// "step-00001234" and back; -1 for any other name.
std::string checkpoint_name(std::int64_t step);
std::int64_t step_of_checkpoint(const std::string& name);

}  // namespace saturn
