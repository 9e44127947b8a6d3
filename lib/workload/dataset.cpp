// SPDX-License-Identifier: Apache-2.0
#include "workload/dataset.h"

#include <cstring>
#include <fmt/format.h>
#include <map>

#include "workload/sample_files.h"

namespace saturn {
namespace {

constexpr std::int64_t kByteTokens = 256;

template <class T>
std::int64_t read_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<std::int64_t>(value);
}

std::vector<Run> read_runs(const std::string& kind, const std::vector<std::string>& files, Content& content) {
  if (kind == "text") return text_runs(files);
  if (kind == "tokens") return token_runs(files);
  if (kind == "mnist") return mnist_runs(files, content);
  if (kind == "cifar10") return cifar10_runs(files);
  if (kind == "safetensors") return safetensors_runs(files, content);
  throw InputError("there is no data kind '" + kind + "'");
}

/// "" or why a part of the data has no row.
std::string part_problem(const char* part, std::int64_t size, std::int64_t rows, std::int64_t length) {
  if (rows > 0) return "";
  if (length == 0) return fmt::format("the {} part has no sample", part);
  return fmt::format("the {} part has {} tokens; one block takes {} (context {} and the token after it)",
                     part, size, length + 1, length);
}

}  // namespace

std::int64_t size_of(const std::vector<Run>& runs) {
  std::int64_t sum = 0;
  for (const Run& run : runs) sum += run.count;
  return sum;
}

bool known_content(const std::string& kind, Content& content) {
  if (kind == "text") content = {Content::Form::kStream, {}, kByteTokens, 0};
  if (kind == "cifar10") content = {Content::Form::kSamples, {3, 32, 32}, 0, 10};
  return kind == "text" || kind == "cifar10";
}

Dataset read_dataset(const DataSpec& data) {
  Dataset dataset;
  if (!known_content(data.kind, dataset.content) && data.kind == "mnist")
    dataset.content.form = Content::Form::kSamples;
  dataset.training = read_runs(data.kind, data.files, dataset.content);
  dataset.validation = read_runs(data.kind, data.validation_files, dataset.content);
  return dataset;
}

std::int64_t row_length(const Content& content, const ModelSpec& model) {
  return content.form == Content::Form::kStream ? input_of(model).context : 0;
}

DataSplit split_of(const DataSpec& data, const Dataset& dataset, std::int64_t length) {
  const std::int64_t size = data.kind == "synthetic" ? data.samples : size_of(dataset.training);
  if (data.validation_files.empty()) return split_data(size, data.validation_fraction, length);
  return split_of_files(size, size_of(dataset.validation), length);
}

bool holds_out(const DataSpec& data) {
  return !data.validation_files.empty() || data.validation_fraction > 0;
}

std::string size_problem(const DataSpec& data, const DataSplit& split, std::int64_t length) {
  std::string problem = part_problem("training", split.training_size, split.training_rows, length);
  if (problem.empty() && holds_out(data))
    problem = part_problem("held-out", split.validation_size, split.validation_rows, length);
  return problem;
}

IntegerReader integer_reader(const std::string& dtype) {
  static const std::map<std::string, IntegerReader> readers{
      {"I64", read_as<std::int64_t>},  {"U64", read_as<std::uint64_t>}, {"I32", read_as<std::int32_t>},
      {"U32", read_as<std::uint32_t>}, {"I16", read_as<std::int16_t>},  {"U16", read_as<std::uint16_t>},
      {"I8", read_as<std::int8_t>},    {"U8", read_as<std::uint8_t>}};
  const auto found = readers.find(dtype);
  return found == readers.end() ? nullptr : found->second;
}

}  // namespace saturn
