// SPDX-License-Identifier: Apache-2.0
#include "train/data.h"

#include <ATen/ops/empty.h>
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "base/error.h"
#include "train/data_order.h"
#include "train/mapped_file.h"
#include "workload/text_split.h"

namespace saturn {
namespace {

constexpr std::int64_t kByteTokens = 256;

MappedFile open_text(const std::string& file) {
  if (!std::filesystem::exists(file)) throw InputError(fmt::format("data file '{}' does not exist", file));
  return MappedFile(file);
}

/// Files mapped one after another, as if they were one text.
class MappedText {
 public:
  explicit MappedText(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      MappedFile mapped = open_text(file);
      if (mapped.bytes().empty()) continue;
      starts_.push_back(size_);
      size_ += static_cast<std::int64_t>(mapped.bytes().size());
      files_.push_back(std::move(mapped));
    }
  }

  std::int64_t size() const { return size_; }

  /// Writes the `count` bytes from `from` on as tokens. They must exist.
  void copy(std::int64_t from, std::int64_t count, std::int64_t* to) const {
    auto file =
        static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), from) - starts_.begin()) -
        1;
    std::int64_t offset = from - starts_[file];
    for (; count > 0; ++file, offset = 0) {
      const auto bytes = files_[file].bytes().subspan(static_cast<std::size_t>(offset));
      const std::int64_t here = std::min(count, static_cast<std::int64_t>(bytes.size()));
      for (std::int64_t i = 0; i < here; ++i)
        *to++ = static_cast<std::int64_t>(bytes[static_cast<std::size_t>(i)]);
      count -= here;
    }
  }

 private:
  std::vector<MappedFile> files_;
  std::vector<std::int64_t> starts_;  ///< of each file in the text
  std::int64_t size_ = 0;
};

/// Bytes of files as tokens: the training part in shuffled blocks, the end of the text for validation.
class TextData final : public Data {
 public:
  explicit TextData(const TaskSpec& task)
      : text_(task.data.files),
        context_(task.model.gpt.context),
        rows_(task.batch_size),
        seed_(task.seed),
        split_(split_text(text_.size(), task.data.validation_fraction, context_)),
        validation_rows_(std::min(task.data.validation_batches * rows_, split_.validation_blocks)) {
    check(task);
  }

  GlobalBatch training_batch(std::int64_t step) const override {
    return {rows_, [this, step](std::int64_t begin, std::int64_t end) {
              return make(begin, end, [this, step](std::int64_t row) {
                return training_block(seed_, step, row, rows_, split_.training_blocks) * context_;
              });
            }};
  }

  GlobalBatch validation_batch(std::int64_t index) const override {
    return {rows_, [this, index](std::int64_t begin, std::int64_t end) {
              return make(begin, end, [this, index](std::int64_t row) {
                return split_.training_tokens + context_ * validation_row(index * rows_ + row);
              });
            }};
  }

  std::int64_t validation_batches() const override { return (validation_rows_ + rows_ - 1) / rows_; }
  std::int64_t training_tokens() const override { return split_.training_tokens; }
  std::int64_t validation_tokens() const override { return split_.validation_tokens; }

 private:
  /// Every batch has all its rows, as its parts must divide among devices: the last one begins again.
  std::int64_t validation_row(std::int64_t number) const {
    return validation_block(number % validation_rows_, validation_rows_, split_.validation_blocks);
  }

  /// Rows [begin, end); `start` says where in the text a row begins.
  template <typename Start>
  Batch make(std::int64_t begin, std::int64_t end, const Start& start) const {
    Batch batch{at::empty({end - begin, context_}, at::kLong), at::empty({end - begin, context_}, at::kLong)};
    auto* inputs = batch.inputs.mutable_data_ptr<std::int64_t>();
    auto* targets = batch.targets.mutable_data_ptr<std::int64_t>();
    for (std::int64_t row = begin; row < end; ++row, inputs += context_, targets += context_) {
      const std::int64_t from = start(row);
      text_.copy(from, context_, inputs);
      text_.copy(from + 1, context_, targets);
    }
    return batch;
  }

  void check(const TaskSpec& task) const {
    const std::string text = fmt::format(
        "the text has {} bytes in {} {}, {} of them held out", text_.size(), task.data.files.size(),
        task.data.files.size() == 1 ? "file" : "files", split_.validation_tokens);
    const auto refuse = [&task](const std::string& what) {
      throw InputError(fmt::format("task '{}': {}", task.name, what));
    };
    if (task.model.gpt.vocabulary < kByteTokens)
      refuse(
          fmt::format("text data has {} different tokens (bytes) and the model a vocabulary of {}; set "
                      "model.vocabulary to {}",
                      kByteTokens, task.model.gpt.vocabulary, kByteTokens));
    if (split_.training_blocks < 1)
      refuse(fmt::format("{}: {} are left for training and one block of the model's context needs {}", text,
                         split_.training_tokens, context_ + 1));
    if (task.data.validation_fraction > 0 && task.data.validation_batches > 0 && split_.validation_blocks < 1)
      refuse(
          fmt::format("{} for validation, and one block of the model's context needs {}; raise "
                      "data.validation_fraction or set it to 0",
                      text, context_ + 1));
  }

  MappedText text_;
  std::int64_t context_;
  std::int64_t rows_;
  std::uint64_t seed_;
  TextSplit split_;
  std::int64_t validation_rows_;  ///< different rows in all validation batches together
};

}  // namespace

Batch Batch::to(at::Device device, at::ScalarType dtype) const {
  const bool whole = c10::isIntegralType(inputs.scalar_type(), /*includeBool=*/true);
  return {inputs.to(device, whole ? inputs.scalar_type() : dtype), targets.to(device)};
}

std::unique_ptr<Data> open_data(const TaskSpec& task) {
  if (task.data.kind != "text")
    throw InputError(fmt::format("task '{}': there is no data kind '{}'", task.name, task.data.kind));
  return std::make_unique<TextData>(task);
}

std::string data_signature(const TaskSpec& task) {
  std::uintmax_t bytes = 0;
  for (const std::string& file : task.data.files) bytes += std::filesystem::file_size(file);
  return fmt::format("{} of {} bytes, {} held out, batches of {}", task.data.kind, bytes,
                     task.data.validation_fraction, task.batch_size);
}

}  // namespace saturn
