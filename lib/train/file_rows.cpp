// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <algorithm>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <cstring>
#include <fmt/format.h>
#include <map>

#include "base/error.h"
#include "base/mapped_file.h"
#include "train/row_source.h"

namespace saturn {
namespace {

using Files = std::map<std::string, std::shared_ptr<const MappedFile>>;

std::shared_ptr<const MappedFile> open_once(Files& files, const std::string& file) {
  std::shared_ptr<const MappedFile>& mapped = files[file];
  if (mapped == nullptr) mapped = std::make_shared<const MappedFile>(file);
  return mapped;
}

/// A run's values, mapped.
class MappedColumn {
 public:
  MappedColumn(const Column& column, Files& files) : column_(column), file_(open_once(files, column.file)) {}
  const std::byte* at(std::int64_t index) const {
    return file_->bytes().data() + column_.begin + static_cast<std::uint64_t>(index) * column_.stride;
  }
  const Column& column() const { return column_; }

 private:
  Column column_;
  std::shared_ptr<const MappedFile> file_;
};

/// Runs one after another, as if they were one.
class MappedRuns {
 public:
  struct Place {
    std::size_t run = 0;
    std::int64_t offset = 0;
  };

  MappedRuns(const std::vector<Run>& runs, Files& files) {
    for (const Run& run : runs) {
      if (run.count == 0) continue;
      starts_.push_back(size_);
      size_ += run.count;
      counts_.push_back(run.count);
      inputs_.emplace_back(run.inputs, files);
      if (!run.labels.file.empty()) labels_.emplace_back(run.labels, files);
    }
  }

  std::int64_t size() const { return size_; }
  std::int64_t count(std::size_t run) const { return counts_[run]; }
  const MappedColumn& inputs(std::size_t run) const { return inputs_[run]; }
  const MappedColumn& labels(std::size_t run) const { return labels_[run]; }
  /// Where number `index` stands.
  Place find(std::int64_t index) const {
    const auto run = static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), index) -
                                              starts_.begin() - 1);
    return {run, index - starts_[run]};
  }

 private:
  std::vector<MappedColumn> inputs_, labels_;
  std::vector<std::int64_t> starts_, counts_;
  std::int64_t size_ = 0;
};

/// Both parts, held out at the end of the training files or in files of their own.
struct Parts {
  Parts(const Dataset& dataset, const DataSplit& split, Files& files)
      : training(dataset.training, files), validation(dataset.validation, files) {
    if (dataset.validation.empty()) held_out_from = split.training_size;
  }
  const MappedRuns& of(RowSource::Part part) const {
    return part == RowSource::Part::kHeldOut && held_out_from < 0 ? validation : training;
  }
  std::int64_t first(RowSource::Part part) const {
    return part == RowSource::Part::kHeldOut ? std::max<std::int64_t>(held_out_from, 0) : 0;
  }

  MappedRuns training, validation;
  std::int64_t held_out_from = -1;  ///< place in `training`; -1 = files of their own
};

[[noreturn]] void refuse_number(const MappedColumn& column, std::int64_t offset, const std::string& what) {
  throw InputError(fmt::format("{}: number {} is {}", column.column().file, offset, what));
}

/// Whole numbers from `from` on, each of which must be below `limit` (0 = no limit).
void copy_whole(const MappedColumn& column, const std::byte* from, std::int64_t count, std::int64_t limit,
                std::int64_t* to) {
  const IntegerReader read = integer_reader(column.column().dtype);
  const std::uint64_t size = static_cast<std::uint64_t>(column.column().dtype.ends_with("64")   ? 8
                                                        : column.column().dtype.ends_with("32") ? 4
                                                        : column.column().dtype.ends_with("16") ? 2
                                                                                                : 1);
  for (std::int64_t i = 0; i < count; ++i, from += size) {
    to[i] = read(from);
    if (to[i] < 0 || (limit > 0 && to[i] >= limit))
      refuse_number(column, (from - column.at(0)) / static_cast<std::int64_t>(size),
                    fmt::format("{}, and the model has {} different ones", to[i], limit));
  }
}

/// A stream of tokens, cut into rows of the model's context.
class StreamRows final : public RowSource {
 public:
  StreamRows(const Dataset& dataset, const DataSplit& split, const ModelInput& input)
      : parts_(dataset, split, files_), length_(input.context), vocabulary_(input.vocabulary) {}

  Batch allocate(std::int64_t rows) const override {
    return {at::empty({rows, length_}, at::kLong), at::empty({rows, length_}, at::kLong)};
  }

  void write(Part part, std::int64_t row, Batch& batch, std::int64_t to) const override {
    const std::int64_t from = parts_.first(part) + row * length_;
    copy(parts_.of(part), from, batch.inputs.mutable_data_ptr<std::int64_t>() + to * length_);
    copy(parts_.of(part), from + 1, batch.targets.mutable_data_ptr<std::int64_t>() + to * length_);
  }

 private:
  void copy(const MappedRuns& runs, std::int64_t from, std::int64_t* to) const {
    MappedRuns::Place place = runs.find(from);
    for (std::int64_t left = length_; left > 0; place = {place.run + 1, 0}) {
      const std::int64_t here = std::min(left, runs.count(place.run) - place.offset);
      const MappedColumn& tokens = runs.inputs(place.run);
      copy_whole(tokens, tokens.at(place.offset), here, vocabulary_, to);
      to += here;
      left -= here;
    }
  }

  Files files_;
  Parts parts_;
  std::int64_t length_, vocabulary_;
};

/// Rows of tokens with their targets.
class TokenRows final : public RowSource {
 public:
  TokenRows(const Dataset& dataset, const DataSplit& split, const ModelInput& input)
      : parts_(dataset, split, files_),
        length_(dataset.content.shape.front()),
        vocabulary_(input.vocabulary) {}

  Batch allocate(std::int64_t rows) const override {
    return {at::empty({rows, length_}, at::kLong), at::empty({rows, length_}, at::kLong)};
  }

  void write(Part part, std::int64_t row, Batch& batch, std::int64_t to) const override {
    const MappedRuns& runs = parts_.of(part);
    const MappedRuns::Place place = runs.find(parts_.first(part) + row);
    const MappedColumn& inputs = runs.inputs(place.run);
    const MappedColumn& labels = runs.labels(place.run);
    copy_whole(inputs, inputs.at(place.offset), length_, vocabulary_,
               batch.inputs.mutable_data_ptr<std::int64_t>() + to * length_);
    copy_whole(labels, labels.at(place.offset), length_, vocabulary_,
               batch.targets.mutable_data_ptr<std::int64_t>() + to * length_);
  }

 private:
  Files files_;
  Parts parts_;
  std::int64_t length_, vocabulary_;
};

template <class From, class To>
void convert(const std::byte* from, std::int64_t count, To* to) {
  for (std::int64_t i = 0; i < count; ++i, from += sizeof(From)) {
    From value;
    std::memcpy(&value, from, sizeof value);
    to[i] = static_cast<To>(value);
  }
}

void copy_numbers(const std::string& dtype, const std::byte* from, std::int64_t count, float* to) {
  if (dtype == "F32") std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
  if (dtype == "F16") convert<c10::Half>(from, count, to);
  if (dtype == "BF16") convert<c10::BFloat16>(from, count, to);
  if (dtype != "U8") return;
  for (std::int64_t i = 0; i < count; ++i)
    to[i] = static_cast<float>(std::to_integer<int>(from[i])) / 127.5F - 1;
}

/// Samples of a fixed shape with a class each.
class SampleRows final : public RowSource {
 public:
  SampleRows(const Dataset& dataset, const DataSplit& split, const ModelInput& input)
      : parts_(dataset, split, files_), shape_(dataset.content.shape), classes_(input.classes) {
    for (const std::int64_t extent : shape_) numbers_ *= extent;
    for (const std::vector<Run>* runs : {&dataset.training, &dataset.validation})
      for (const Run& run : *runs) exact_ = exact_ || run.inputs.dtype == "F64";
  }

  Batch allocate(std::int64_t rows) const override {
    std::vector<std::int64_t> sizes{rows};
    sizes.insert(sizes.end(), shape_.begin(), shape_.end());
    return {at::empty(sizes, exact_ ? at::kDouble : at::kFloat), at::empty({rows}, at::kLong)};
  }

  void write(Part part, std::int64_t row, Batch& batch, std::int64_t to) const override {
    const MappedRuns& runs = parts_.of(part);
    const MappedRuns::Place place = runs.find(parts_.first(part) + row);
    const MappedColumn& inputs = runs.inputs(place.run);
    const MappedColumn& labels = runs.labels(place.run);
    const std::byte* from = inputs.at(place.offset);
    if (exact_)
      convert<double>(from, numbers_, batch.inputs.mutable_data_ptr<double>() + to * numbers_);
    else
      copy_numbers(inputs.column().dtype, from, numbers_,
                   batch.inputs.mutable_data_ptr<float>() + to * numbers_);
    std::int64_t* target = batch.targets.mutable_data_ptr<std::int64_t>() + to;
    *target = integer_reader(labels.column().dtype)(labels.at(place.offset));
    if (*target < 0 || (classes_ > 0 && *target >= classes_))
      throw InputError(fmt::format("{}: the label of sample {} is {}, and the model has {} classes",
                                   labels.column().file, place.offset, *target, classes_));
  }

 private:
  Files files_;
  Parts parts_;
  std::vector<std::int64_t> shape_;
  std::int64_t classes_, numbers_ = 1;
  bool exact_ = false;  ///< float64
};

}  // namespace

std::unique_ptr<RowSource> make_file_rows(const Dataset& dataset, const DataSplit& split,
                                          const ModelInput& input) {
  switch (dataset.content.form) {
    case Content::Form::kStream:
      return std::make_unique<StreamRows>(dataset, split, input);
    case Content::Form::kTokens:
      return std::make_unique<TokenRows>(dataset, split, input);
    case Content::Form::kSamples:
      break;
  }
  return std::make_unique<SampleRows>(dataset, split, input);
}

}  // namespace saturn
