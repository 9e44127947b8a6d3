// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/units.h"
#include "workload/data_spec.h"
#include "workload/model_spec.h"
#include "workload/stop_rule.h"

namespace saturn {

struct Schedule {
  std::string kind = "constant";  ///< constant | linear | cosine
  std::int64_t warmup_steps = 0;  ///< linear from 0 to the learning rate
  double final_fraction = 0;      ///< of the learning rate, reached at the last step (linear, cosine)

  bool operator==(const Schedule&) const = default;
};

struct OptimizerSpec {
  std::string kind = "adamw";
  double lr = 1e-3;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double clip = 0;  ///< largest global gradient norm; 0 = no clipping
  Schedule schedule;

  bool operator==(const OptimizerSpec&) const = default;
};

/// One model to train: what a sweep's line says, with every default filled in. Everything here is independent
/// of how (parallelism, devices) it is trained.
struct TaskSpec {
  std::string name;
  ModelSpec model;  ///< of a script without one, `kind` is empty; likewise `data`
  DataSpec data;
  bool script = false;  ///< `arguments` are given, if only {}: nothing but commands can train it
  std::map<std::string, std::string> arguments;  ///< of a script, as they were written ("3e-4")
  std::vector<std::string> same_speed;           ///< names of arguments that do not change the speed
  OptimizerSpec optimizer;
  std::int64_t batch_size = 0;  ///< sequences or samples a step, over all devices; 0 = a script did not say
  std::int64_t micro_batch_size =
      0;  ///< sequences a device holds at once (gradient accumulation); 0 = the search chooses
  std::string precision = "fp32";  ///< fp32 | bf16 (with float32 masters) | fp64
  double epochs = 0;       ///< 0 when `steps` was given; `steps` is filled in from the data's size otherwise
  std::int64_t steps = 0;  ///< 0 = the script says it when it is tried
  std::uint64_t seed = 0;
  std::vector<std::int64_t> devices;      ///< allowed device counts; empty = any
  std::int64_t across_nodes = 1;          ///< most nodes that a gang of it may lie on
  std::vector<std::string> parallelisms;  ///< allowed ones; empty = all of the workload's
  std::int64_t checkpoint_every_steps =
      0;  ///< 0 = only by time (run.checkpoint_interval), when stopped and at the end
  std::int64_t validate_every_steps = 0;  ///< 0 = only at the end
  StopRule stop;                          ///< when it ends before its last step
  Mark mark;                              ///< where the workload file says it; not part of the JSON

  /// 0 for a model that does not take tokens.
  std::int64_t tokens_per_step() const { return batch_size * input_of(model).context; }
};

/// Key-ordered JSON with every field but `mark`.
nlohmann::ordered_json to_json(const TaskSpec& task);
/// Reads what `to_json` wrote; reports what is wrong to the diagnostics.
TaskSpec task_from_value(const Value& value, Diagnostics& diagnostics);
/// The same from a reader that its caller finishes, having looked for keys of its own.
TaskSpec read_task_fields(MapReader& reader);

/// A short text that is equal for two tasks exactly when nothing that affects their speed or memory differs:
/// names, seeds, learning rates, steps, stop rules, which files are read, and the arguments of `same_speed`,
/// leave it alone. Trials and configurations are shared by signature.
std::string speed_signature(const TaskSpec& task);

}  // namespace saturn
