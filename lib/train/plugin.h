// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "train/parallelism.h"

namespace saturn {

/// A parallelism cannot be loaded; `what()` names it and says why.
class PluginError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Opens the shared object `library` of the parallelism `name` and makes one. The object stays open until the
/// process ends: whatever the parallelism made may live as long. Errors: PluginError.
std::unique_ptr<Parallelism> load_parallelism(const std::string& name, const std::filesystem::path& library);

}  // namespace saturn
