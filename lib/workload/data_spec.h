// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/document.h"

namespace saturn {

struct DataSpec {
  std::string kind = "text";  ///< text | tokens | mnist | cifar10 | safetensors | synthetic; see dataset.h
  std::vector<std::string> files;             ///< absolute paths, globs resolved and sorted
  double validation_fraction = 0.05;          ///< taken from the end; not used with validation_files
  std::int64_t validation_batches = 8;        ///< batches of the task's size, the same at every validation
  std::vector<std::string> validation_files;  ///< like `files`; empty = a fraction is held out
  std::int64_t samples = 65'536;              ///< of synthetic data

  bool operator==(const DataSpec&) const = default;
};

/// Reads a task's `data`. Reports what is wrong.
DataSpec read_data(const Value& value, Diagnostics& diagnostics);

/// Key-ordered: the fields that its kind has.
nlohmann::ordered_json to_json(const DataSpec& data);

}  // namespace saturn
