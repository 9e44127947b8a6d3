// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "train/checkpoint_index.h"
#include "train/output_file.h"

namespace saturn {

/// A checkpoint is a directory ROOT/step-00001234 of safetensors shards, `model-00000-of-00002.safetensors`,
/// one for each rank that had something to add, and `checkpoint.json` (see checkpoint_index.h): step, task,
/// model, seed, the shards with sizes, and every part of every tensor with its checksum. It is written
/// beside, as ROOT/step-00001234.writing, and renamed when everything is on the disk, so that what is there
/// is whole. The data position and the random state are (seed, step): every generator of Saturn is a function
/// of them.

/// Collects the tensors that this rank contributes to a checkpoint. The tensors are not copied: they must
/// stay unchanged until the checkpoint is written.
class CheckpointWriter {
 public:
  virtual ~CheckpointWriter() = default;
  /// A whole tensor. Errors: std::logic_error (twice, a '#' in the name).
  virtual void add(const std::string& name, const at::Tensor& tensor) = 0;
  /// Elements [offset, offset + part.numel()) of the flattened tensor of this `shape`. All ranks' parts
  /// together must cover it without gap or overlap, which is checked when they are joined. An empty part
  /// adds nothing. Errors: std::logic_error (reaches past the end; as of `add`).
  virtual void add_part(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t offset,
                        const at::Tensor& part) = 0;
};

/// A checkpoint opened for reading, memory-mapped. Errors: CheckpointError from every method when it is
/// damaged.
class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;
  virtual bool has(const std::string& name) const = 0;
  /// In one piece in the file: a view of it, valid as long as the reader: copy what is kept. In parts: a
  /// copy. Errors: CheckpointError (missing name).
  virtual at::Tensor tensor(const std::string& name) const = 0;
  /// Of the whole tensor. Errors: CheckpointError (missing name).
  virtual std::vector<std::int64_t> shape(const std::string& name) const;
  /// Copies elements [offset, offset + to.numel()) of the flattened tensor into `to`, which is contiguous, of
  /// any shape, dtype and device. Reads nothing else. Errors: CheckpointError (missing name),
  /// std::logic_error (past its end).
  virtual void read(const std::string& name, std::int64_t offset, const at::Tensor& to) const;
  /// Sorted.
  virtual std::vector<std::string> names() const = 0;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Elements [offset, offset + values.numel()) of the flattened tensor `name`; a whole tensor's `values` have
/// its shape.
struct TensorPart {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;
  at::Tensor values;
};

/// The tensors and parts of this rank's shard, in the order they were added. Any dtype, any device, any
/// layout; only tensors that are not dense CPU memory are copied, one at a time, while they are written.
class ShardWriter final : public CheckpointWriter {
 public:
  void add(const std::string& name, const at::Tensor& tensor) override;
  void add_part(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t offset,
                const at::Tensor& part) override;
  const std::vector<TensorPart>& parts() const { return parts_; }
  Bytes bytes() const;

 private:
  void insert(TensorPart part);

  std::vector<TensorPart> parts_;
  std::set<std::string> stored_;
};

/// Writing, by a gang:
///   rank 0:      begin_checkpoint        (barrier)
///   every rank:  write_shard             (barrier; nothing is written when it added nothing)
///   rank 0:      commit_checkpoint, prune_checkpoints
/// Errors: SystemError ("disk full" and the like); rank 0 then calls discard_checkpoint, and what was there
/// before is as it was.

/// Makes the directory to write into, empty; leftovers of writers that died are removed.
void begin_checkpoint(const std::filesystem::path& root, std::int64_t step);
struct ShardPlace {
  std::filesystem::path root;
  std::int64_t step = 0;
  int rank = 0, ranks = 1;
  ReadAgain read_again = ReadAgain::kMaybe;
};
/// Writes and syncs this rank's shard and a note of its checksums. SystemError also when `stop` is asked for.
void write_shard(const ShardPlace& place, const std::vector<TensorPart>& parts,
                 const std::stop_token& stop = {});
/// Joins the notes into checkpoint.json, syncs, renames; a checkpoint of the same step is replaced. Returns
/// its directory. Errors also: CheckpointError when the parts do not make whole tensors (check_parts).
std::filesystem::path commit_checkpoint(const std::filesystem::path& root, const CheckpointState& state);
/// Removes what begin_checkpoint made, if anything. Never throws.
void discard_checkpoint(const std::filesystem::path& root, std::int64_t step) noexcept;
/// Removes all but the newest `keep` (at least one) of the checkpoints up to `step`, the one just written.
/// Later ones are those that could not be loaded: they must not stand in the place of one that can.
void prune_checkpoints(const std::filesystem::path& root, std::int64_t keep, std::int64_t step);

/// Whose checksums are compared: rank `rank` of `ranks` takes about that share of the bytes, so that all
/// ranks together compare everything; nothing when `ranks` is 0.
struct VerifyShare {
  int rank = 0, ranks = 1;
};

/// A checkpoint whose index fits its shards: headers and sizes. Whole when all checksums are right.
class OpenedCheckpoint final : public CheckpointReader {
 public:
  /// Maps the checkpoint in `directory` and verifies this share of it. Errors: CheckpointError (which file,
  /// what is wrong).
  explicit OpenedCheckpoint(const std::filesystem::path& directory, VerifyShare share = {});
  OpenedCheckpoint(OpenedCheckpoint&&) noexcept;
  OpenedCheckpoint& operator=(OpenedCheckpoint&&) noexcept;
  ~OpenedCheckpoint() override;

  const CheckpointState& state() const;
  const std::filesystem::path& directory() const;
  bool has(const std::string& name) const override;
  at::Tensor tensor(const std::string& name) const override;
  std::vector<std::int64_t> shape(const std::string& name) const override;
  void read(const std::string& name, std::int64_t offset, const at::Tensor& to) const override;
  std::vector<std::string> names() const override;
  /// Compares the checksums of these tensors. Errors: CheckpointError.
  void verify(const std::vector<std::string>& names) const;
  /// Views of the mapped file, which together are the flattened tensor. Errors: CheckpointError.
  std::vector<at::Tensor> pieces(const std::string& name) const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

/// The checkpoints in `root`, newest first; empty when there is no such directory. Not opened.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& root);

/// One safetensors file, replaced as one step. Errors: SystemError.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors);

/// The weights of a checkpoint, which is all but "optimizer.*", as one safetensors file, replaced as one
/// step, with whole tensors in the field's names; their checksums are compared before. Piece by piece: no
/// more than a block of it is held. Errors: CheckpointError, SystemError.
void write_weights(const std::filesystem::path& path, const OpenedCheckpoint& checkpoint);

/// One safetensors file, memory-mapped, its header checked (not its checksums: the format has none). Errors:
/// CheckpointError (which file, what is wrong), SystemError.
std::unique_ptr<CheckpointReader> open_safetensors(const std::filesystem::path& path);

}  // namespace saturn
