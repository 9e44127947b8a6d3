// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "workload/dataset.h"

namespace saturn {

/// Readers of the formats in dataset.h. Each adds to `content` what the files say of it (of several files the
/// same). Errors: InputError, SystemError.
std::vector<Run> text_runs(const std::vector<std::string>& files);
std::vector<Run> token_runs(const std::vector<std::string>& files);
std::vector<Run> mnist_runs(const std::vector<std::string>& files, Content& content);
std::vector<Run> cifar10_runs(const std::vector<std::string>& files);
std::vector<Run> safetensors_runs(const std::vector<std::string>& files, Content& content);

}  // namespace saturn
