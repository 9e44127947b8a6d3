// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "workload/dataset.h"

namespace saturn {

/// Why a model cannot be trained on data.
struct Misfit {
  std::string key;      ///< of the model map where it can be set right
  std::string message;  ///< "'classes' is 5, ..."
};

/// Empty when they fit, and for a plug-in that does not say what it takes. `kind` is the data's.
std::optional<Misfit> find_misfit(const ModelSpec& model, const std::string& kind, const Content& content);

/// Of synthetic data: they are made to fit, but for a plug-in that does not say what it takes.
std::optional<Misfit> find_synthetic_misfit(const ModelSpec& model);

/// Reports a misfit at its key's value in the model's map, or at the map.
void report_misfit(const Value& model, const std::optional<Misfit>& misfit, Diagnostics& diagnostics);

}  // namespace saturn
