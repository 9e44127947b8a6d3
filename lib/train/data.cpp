// SPDX-License-Identifier: Apache-2.0
#include "train/data.h"

#include <ATen/core/Tensor.h>
#include <filesystem>
#include <fmt/format.h>

#include "base/error.h"
#include "train/prefetch.h"
#include "train/row_data.h"
#include "workload/data_fit.h"

namespace saturn {
namespace {

/// Files may have changed since the workload was read.
void check(const TaskSpec& task, const Dataset& dataset) {
  const auto misfit = task.data.kind == "synthetic"
                          ? find_synthetic_misfit(task.model)
                          : find_misfit(task.model, task.data.kind, dataset.content);
  if (misfit) throw InputError(fmt::format("task '{}': model: {}", task.name, misfit->message));
}

std::unique_ptr<RowData> open_rows(const TaskSpec& task) {
  const bool synthetic = task.data.kind == "synthetic";
  const Dataset dataset = synthetic ? Dataset{} : read_dataset(task.data);
  check(task, dataset);
  const std::int64_t length = synthetic ? 0 : row_length(dataset.content, task.model);
  const DataSplit split = split_of(task.data, dataset, length);
  const std::string problem = size_problem(task.data, split, length);
  if (!problem.empty()) throw InputError(fmt::format("task '{}': data: {}", task.name, problem));
  const ModelInput input = input_of(task.model);
  auto source = synthetic ? make_synthetic_rows(task.seed, input) : make_file_rows(dataset, split, input);
  return std::make_unique<RowData>(task, split, std::move(source));
}

std::uintmax_t bytes_of(const std::vector<std::string>& files) {
  std::uintmax_t bytes = 0;
  for (const std::string& file : files) bytes += std::filesystem::file_size(file);
  return bytes;
}

}  // namespace

Batch Batch::to(at::Device device, at::ScalarType dtype) const {
  const bool whole = c10::isIntegralType(inputs.scalar_type(), /*includeBool=*/true);
  return {inputs.to(device, whole ? inputs.scalar_type() : dtype), targets.to(device)};
}

std::unique_ptr<Data> open_data(const TaskSpec& task) {
  return open_rows(task);
}

std::unique_ptr<Data> open_prefetched_data(const TaskSpec& task) {
  return prefetched(open_rows(task));
}

std::string data_signature(const TaskSpec& task) {
  const DataSpec& data = task.data;
  const std::string size = data.kind == "synthetic" ? fmt::format("{} samples", data.samples)
                                                    : fmt::format("{} bytes", bytes_of(data.files));
  const std::string held_out = data.validation_files.empty()
                                   ? fmt::format("{}", data.validation_fraction)
                                   : fmt::format("{} bytes", bytes_of(data.validation_files));
  return fmt::format("{} of {}, {} held out, batches of {}", data.kind, size, held_out, task.batch_size);
}

}  // namespace saturn
