// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "train/parallelism.h"
#include "train/plugin_object.h"

namespace saturn {

/// Opens the shared object `library` of the parallelism `name` and makes one. The object stays open until the
/// process ends: whatever the parallelism made may live as long. An exception of its own, out of any method
/// of it or of its trainers, becomes a PluginError that names it and the method; memory that has run out and
/// the worker's own exceptions stay what they are. Errors: PluginError.
std::unique_ptr<Parallelism> load_parallelism(const std::string& name, const std::filesystem::path& library);

}  // namespace saturn
