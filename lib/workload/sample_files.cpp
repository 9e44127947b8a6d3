// SPDX-License-Identifier: Apache-2.0
#include "workload/sample_files.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>

#include "base/mapped_file.h"
#include "base/safetensors.h"

namespace saturn {
namespace {

constexpr std::uint64_t kLlmcHeaderBytes = 1024;
/// The two forms of llm.c's token files: of GPT-2's tokens and of Llama 3's.
struct LlmcForm {
  std::int32_t magic, version;
  std::uint64_t token_bytes;
  const char* dtype;
};
constexpr LlmcForm kLlmcForms[] = {{20240520, 1, 2, "U16"}, {20240801, 7, 4, "U32"}};
constexpr std::int64_t kCifarPixels = 3 * 32 * 32;
constexpr std::uint64_t kMostLabelBytes = 16 << 20;  // that are looked at before the training

using Bytes = std::span<const std::byte>;

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw InputError(fmt::format("{}: {}", file, what));
}

std::int32_t int32_at(Bytes bytes, std::size_t index) {
  std::int32_t value = 0;
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

/// As idx files have it.
std::int64_t big_endian_at(Bytes bytes, std::size_t offset) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::int64_t>(bytes[offset + i]);
  return value;
}

void refuse_compressed(const std::string& file, Bytes bytes) {
  if (bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b})
    refuse(file, "is compressed; unpack it first (gunzip)");
}

/// Null when it does not begin as one of llm.c's.
const LlmcForm* llmc_form(Bytes bytes) {
  if (bytes.size() < kLlmcHeaderBytes) return nullptr;
  const auto* found = std::find_if(std::begin(kLlmcForms), std::end(kLlmcForms),
                                   [&](const LlmcForm& form) { return form.magic == int32_at(bytes, 0); });
  return found == std::end(kLlmcForms) ? nullptr : found;
}

Run llmc_run(const std::string& file, Bytes bytes, const LlmcForm& form) {
  if (int32_at(bytes, 1) != form.version)
    refuse(file, fmt::format("is an llm.c token file (magic {}) of version {}; version {} can be read",
                             form.magic, int32_at(bytes, 1), form.version));
  const std::int64_t count = int32_at(bytes, 2);
  const std::uint64_t there = (bytes.size() - kLlmcHeaderBytes) / form.token_bytes;
  if (count < 0 || bytes.size() != kLlmcHeaderBytes + form.token_bytes * static_cast<std::uint64_t>(count))
    refuse(file, fmt::format("its header says {} tokens, and there is room for {}", count, there));
  return {count, {file, kLlmcHeaderBytes, form.token_bytes, form.dtype}, {}};
}

Run token_run(const std::string& file) {
  const MappedFile mapped(file);
  const Bytes bytes = mapped.bytes();
  refuse_compressed(file, bytes);
  if (const LlmcForm* form = llmc_form(bytes)) return llmc_run(file, bytes, *form);
  if (bytes.size() % 2 != 0)
    refuse(file, fmt::format("has {} bytes, which are no whole number of uint16 tokens", bytes.size()));
  return {static_cast<std::int64_t>(bytes.size() / 2), {file, 0, 2, "U16"}, {}};
}

/// An idx file of unsigned bytes.
struct Idx {
  Column column;
  std::vector<std::int64_t> shape;  ///< the number of items first
};

Idx read_idx(const std::string& file, Bytes bytes) {
  refuse_compressed(file, bytes);
  const std::int64_t magic = bytes.size() < 4 ? 0 : big_endian_at(bytes, 0);
  if (magic != 0x801 && magic != 0x803)
    refuse(file, "is no idx file of unsigned bytes (images begin with 00 00 08 03, labels with 00 00 08 01)");
  const std::size_t dimensions = static_cast<std::size_t>(magic & 0xff), begin = 4 + 4 * dimensions;
  Idx idx{{file, begin, 1, "U8"}, {}};
  if (bytes.size() < begin) refuse(file, "ends within its header");
  std::uint64_t expected = begin, items = 1;
  for (std::size_t i = 0; i < dimensions; ++i) {
    idx.shape.push_back(big_endian_at(bytes, 4 + 4 * i));
    items *= static_cast<std::uint64_t>(idx.shape.back());
    if (i > 0) idx.column.stride *= static_cast<std::uint64_t>(idx.shape.back());
    if (items > bytes.size()) break;
  }
  expected += items;
  if (bytes.size() != expected || idx.shape.size() != dimensions)
    refuse(file, fmt::format("has {} bytes, and its header says {} items of other sizes", bytes.size(),
                             idx.shape.front()));
  return idx;
}

std::vector<std::int64_t> shape_of_images(const Idx& images) {
  return {1, images.shape[1], images.shape[2]};
}

void take_shape(const std::string& file, const std::vector<std::int64_t>& shape, Content& content) {
  if (!content.shape.empty() && content.shape != shape)
    refuse(file, fmt::format("has samples of {} and the files before it of {}", fmt::join(shape, " x "),
                             fmt::join(content.shape, " x ")));
  content.shape = shape;
}

/// Raises what the content needs by the largest label, and refuses negative ones; large files are left to the
/// worker, which meets them one by one.
void look_at_labels(const Column& labels, std::int64_t count, std::int64_t each, std::int64_t& least) {
  if (static_cast<std::uint64_t>(count) * labels.stride > kMostLabelBytes) return;
  const MappedFile mapped(labels.file);
  const IntegerReader read = integer_reader(labels.dtype);
  const std::uint64_t size = labels.stride / static_cast<std::uint64_t>(each);
  for (std::int64_t i = 0; i < count * each; ++i) {
    const std::int64_t label =
        read(mapped.bytes().data() + labels.begin + static_cast<std::uint64_t>(i) * size);
    if (label < 0) refuse(labels.file, fmt::format("label {} is {}", i, label));
    least = std::max(least, label + 1);
  }
}

const SafetensorsEntry& entry_of(const SafetensorsHeader& header, const std::string& name,
                                 const std::string& file) {
  for (const SafetensorsEntry& entry : header.entries)
    if (entry.name == name) return entry;
  refuse(file, fmt::format("has no tensor '{}'", name));
}

Column column_of(const SafetensorsEntry& entry, std::uint64_t data_begin, const std::string& file) {
  const auto rows = static_cast<std::uint64_t>(entry.shape.front());
  return {file, data_begin + entry.begin, rows == 0 ? 0 : (entry.end - entry.begin) / rows, entry.dtype};
}

/// "inputs F32 [10, 3, 8, 8]"
std::string text_of(const SafetensorsEntry& entry) {
  return fmt::format("'{}' is {} [{}]", entry.name, entry.dtype, fmt::join(entry.shape, ", "));
}

void check_pair(const SafetensorsEntry& inputs, const SafetensorsEntry& labels, const std::string& file) {
  const bool tokens = inputs.dtype != "U8" && integer_reader(inputs.dtype) != nullptr;
  const auto fail = [&](const char* what) {
    refuse(file, fmt::format("{}, {}: {}", text_of(inputs), text_of(labels), what));
  };
  if (inputs.dtype == "BOOL") fail("inputs are numbers");
  if (integer_reader(labels.dtype) == nullptr) fail("labels are whole numbers");
  if (inputs.shape.empty() || labels.shape.empty() || inputs.shape[0] != labels.shape[0])
    fail("the first dimension of both is the number of samples");
  if (tokens && (inputs.shape.size() != 2 || labels.shape != inputs.shape))
    fail("whole numbers are rows of tokens, [samples, length], with a target for each");
  if (!tokens && (inputs.shape.size() < 2 || labels.shape.size() != 1))
    fail("samples are [samples, ...] with one label each");
}

Run safetensors_run(const std::string& file, Content& content) {
  const MappedFile mapped(file);
  SafetensorsHeader header;
  try {
    header = parse_safetensors(mapped.bytes(), mapped.bytes().size());
  } catch (const SafetensorsError& error) {
    refuse(file, error.what());
  }
  const SafetensorsEntry& inputs = entry_of(header, "inputs", file);
  const SafetensorsEntry& labels = entry_of(header, "labels", file);
  check_pair(inputs, labels, file);
  const bool tokens = inputs.dtype != "U8" && integer_reader(inputs.dtype) != nullptr;
  content.form = tokens ? Content::Form::kTokens : Content::Form::kSamples;
  take_shape(file, {inputs.shape.begin() + 1, inputs.shape.end()}, content);
  const Run run{inputs.shape[0], column_of(inputs, header.data_begin, file),
                column_of(labels, header.data_begin, file)};
  const std::int64_t each = tokens ? content.shape[0] : 1;
  if (run.count > 0 && each > 0)
    look_at_labels(run.labels, run.count, each, tokens ? content.vocabulary : content.classes);
  return run;
}

}  // namespace

std::vector<Run> text_runs(const std::vector<std::string>& files) {
  std::vector<Run> runs;
  for (const std::string& file : files)
    runs.push_back({static_cast<std::int64_t>(mappable_size(file)), {file, 0, 1, "U8"}, {}});
  return runs;
}

std::vector<Run> token_runs(const std::vector<std::string>& files) {
  std::vector<Run> runs;
  for (const std::string& file : files) runs.push_back(token_run(file));
  return runs;
}

std::vector<Run> mnist_runs(const std::vector<std::string>& files, Content& content) {
  std::vector<Idx> images, labels;
  for (const std::string& file : files) {
    Idx idx = read_idx(file, MappedFile(file).bytes());
    (idx.shape.size() == 3 ? images : labels).push_back(std::move(idx));
  }
  if (images.size() != labels.size())
    throw InputError(fmt::format("there are {} files of images and {} of labels; each file of images has one",
                                 images.size(), labels.size()));
  std::vector<Run> runs;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::int64_t count = images[i].shape[0];
    if (labels[i].shape[0] != count)
      refuse(labels[i].column.file, fmt::format("has {} labels, and {} has {} images", labels[i].shape[0],
                                                images[i].column.file, count));
    take_shape(images[i].column.file, shape_of_images(images[i]), content);
    look_at_labels(labels[i].column, count, 1, content.classes);
    runs.push_back({count, images[i].column, labels[i].column});
  }
  return runs;
}

std::vector<Run> cifar10_runs(const std::vector<std::string>& files) {
  std::vector<Run> runs;
  for (const std::string& file : files) {
    const MappedFile mapped(file);
    refuse_compressed(file, mapped.bytes());
    constexpr std::uint64_t kRecord = 1 + kCifarPixels;
    if (mapped.bytes().empty() || mapped.bytes().size() % kRecord != 0)
      refuse(file, fmt::format("has {} bytes, which are no whole number of CIFAR-10 records of {}",
                               mapped.bytes().size(), kRecord));
    runs.push_back({static_cast<std::int64_t>(mapped.bytes().size() / kRecord),
                    {file, 1, kRecord, "U8"},
                    {file, 0, kRecord, "U8"}});
  }
  return runs;
}

std::vector<Run> safetensors_runs(const std::vector<std::string>& files, Content& content) {
  std::vector<Run> runs;
  for (const std::string& file : files) runs.push_back(safetensors_run(file, content));
  return runs;
}

}  // namespace saturn
