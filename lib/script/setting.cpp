// SPDX-License-Identifier: Apache-2.0
#include "script/setting.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

namespace saturn {
namespace {

int signal_number(const std::string& name) {
  constexpr std::array<std::pair<const char*, int>, 5> kSignals{
      {{"TERM", SIGTERM}, {"INT", SIGINT}, {"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}}};
  for (const auto& [known, number] : kSignals) {
    if (name == known) return number;
  }
  return 0;
}

/// GPUs by their UUIDs: numbers would mean others where CUDA counts in another order.
std::string visible_gpus(const Job& job) {
  std::vector<std::string> uuids;
  if (is_cpu_kind(job.device_kind)) return "";
  for (const Device& device : job.devices)
    uuids.push_back(device.uuid.empty() ? std::to_string(device.index) : device.uuid);
  return fmt::format("{}", fmt::join(uuids, ","));
}

/// What libraries look at. A script on CPU slots must not take a GPU that others were promised.
std::map<std::string, std::string> library_variables(const Job& job, const ScriptStart& start) {
  std::map<std::string, std::string> variables;
  variables["CUDA_VISIBLE_DEVICES"] = visible_gpus(job);
  variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";  // as Slurm and nvidia-smi count
  std::size_t threads = 0;                        // of one device: a launcher starts a process for each
  for (const Device& device : job.devices) threads = std::max(threads, device.cores.size());
  if (threads > 0) {
    for (const char* name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"})
      variables[name] = std::to_string(threads);
  }
  variables["PYTHONUNBUFFERED"] = "1";  // output to a pipe would come in lumps
  if (!start.python_helper.empty())
    variables["PYTHONPATH"] = start.python_path.empty()
                                  ? start.python_helper.string()
                                  : start.python_path + ":" + start.python_helper.string();
  return variables;
}

void add_own_variables(const Job& job, const ScriptStart& start,
                       std::map<std::string, std::string>& variables) {
  const TaskSpec& task = job.task;
  variables["SATURN_TASK"] = task.name;
  variables["SATURN_MODE"] = job.mode == Job::Mode::kTrial ? "trial" : "train";
  variables["SATURN_DEVICES"] = std::to_string(job.world_size());
  variables["SATURN_STEPS"] = task.steps > 0 ? std::to_string(task.steps) : "";
  variables["SATURN_CHECKPOINTS"] = checkpoints_directory(job.directory);
  variables["SATURN_CHECKPOINT"] = start.checkpoint.path;
  variables["SATURN_STEP"] = std::to_string(start.checkpoint.step);
  variables["SATURN_CHECKPOINT_SECONDS"] = fmt::format("{}", job.checkpoint_interval_seconds);
  variables["SATURN_CHECKPOINT_STEPS"] = std::to_string(task.checkpoint_every_steps);
  variables["SATURN_STOP_FILE"] = stop_file(job);
  variables["SATURN_STOP_SIGNAL"] = job.command->stop_signal;
}

}  // namespace

std::filesystem::path stop_file(const Job& job) {
  return job.directory / "stop";
}

ScriptSpec script_spec(const Job& job, const ScriptStart& start) {
  const CommandLine line = command_line(job, start.knobs, start.checkpoint.path);
  ScriptSpec spec;
  spec.process.argv = line.argv;
  spec.process.environment = library_variables(job, start);
  add_own_variables(job, start, spec.process.environment);
  for (const auto& [name, value] : line.environment) spec.process.environment[name] = value;
  spec.process.working_directory = line.working_directory;
  spec.process.stop_signal = signal_number(job.command->stop_signal);
  spec.patterns = job.command->patterns;
  for (const Device& device : job.devices) {
    spec.process.cores.insert(spec.process.cores.end(), device.cores.begin(), device.cores.end());
    if (is_cpu_kind(job.device_kind)) spec.memory_budget += device.memory_bytes;
  }
  return spec;
}

}  // namespace saturn
