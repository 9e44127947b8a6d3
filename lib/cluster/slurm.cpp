// SPDX-License-Identifier: Apache-2.0
#include "cluster/slurm.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

#include "base/error.h"
#include "cluster/slurm_hostlist.h"

namespace saturn {
namespace {

/// A controller that is being replaced answers within this.
constexpr Seconds kPatience{30};

std::string last_line(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(" \n") + 1);
  const std::size_t before = text.rfind('\n');
  return std::string(before == std::string_view::npos ? text : text.substr(before + 1));
}

[[noreturn]] void throw_stale(const std::string& id, const std::string& why) {
  throw InputError(fmt::format(
      "the environment is of Slurm job {}, {}: ask for a new allocation (sbatch, salloc), or, to go "
      "on without Slurm, unset SLURM_JOB_ID or say `cluster: local`",
      id, why));
}

[[noreturn]] void throw_unreadable(const std::string& id, const std::string& why) {
  throw SystemError("read", fmt::format("what `scontrol show job -d {}` says", id), why,
                    "Slurm of at least 22.05 is needed");
}

CommandResult show_job(const std::string& id, const SlurmAccess& access) {
  try {
    return access.run({"scontrol", "show", "job", "-d", id});
  } catch (const SystemError& error) {
    throw SystemError(
        "ask", "Slurm about job " + id, error.what(),
        "SLURM_JOB_ID is set, so scontrol should be in PATH; to go on without Slurm, unset it or "
        "say `cluster: local`");
  }
}

SlurmJob ask_for(const std::string& id, const SlurmAccess& access) {
  const CommandResult answer = show_job(id, access);
  const std::string said = last_line(answer.error_output);
  if (said.find("Invalid job id") != std::string::npos) throw_stale(id, "which Slurm does not know any more");
  if (answer.timed_out || answer.exit_code != 0) {
    const std::string reason = answer.timed_out
                                   ? fmt::format("scontrol did not end within {:.0f} s", kPatience.count())
                                   : fmt::format("scontrol ended with exit code {}", answer.exit_code);
    throw SystemError("ask", "Slurm about job " + id, said.empty() ? reason : reason + ": " + said,
                      "see whether `scontrol ping` reaches the controller");
  }
  auto job = parse_job(answer.output, id);
  if (const auto* problem = std::get_if<std::string>(&job)) throw_unreadable(id, *problem);
  return std::get<SlurmJob>(std::move(job));
}

bool has_node(const SlurmJob& job, const std::string& name) {
  return std::any_of(job.nodes.begin(), job.nodes.end(),
                     [&](const SlurmNode& node) { return node.name == name; });
}

}  // namespace

SlurmAccess slurm_access() {
  return {[](const char* name) -> std::optional<std::string> {
            const char* value = std::getenv(name);
            if (value == nullptr) return {};
            return value;
          },
          [](const std::vector<std::string>& argv) { return run_command(argv, kPatience); }};
}

std::optional<SlurmAllocation> slurm_allocation(const SlurmAccess& access) {
  const auto id = access.variable("SLURM_JOB_ID");
  if (!id || id->empty()) return {};
  if (access.variable("SLURM_HET_SIZE")) {
    throw InputError(
        fmt::format("Slurm job {} is heterogeneous (its parts are allocations of their own): ask for nodes "
                    "of different types in one part, by --nodelist or --constraint",
                    *id));
  }
  SlurmAllocation allocation;
  allocation.job = ask_for(*id, access);
  const SlurmJob& job = allocation.job;
  if (job.state != "RUNNING") throw_stale(*id, fmt::format("which does not run (it is {})", job.state));
  if (job.nodes.empty()) throw_unreadable(*id, "it lists no nodes");
  const auto here = access.variable("SLURMD_NODENAME");
  if (here && has_node(job, *here)) allocation.this_node = *here;
  const auto begun_with = expand_hostlist(access.variable("SLURM_JOB_NODELIST").value_or(""));
  for (const std::string& name : begun_with.value_or(std::vector<std::string>{})) {
    if (!has_node(job, name)) allocation.gone.push_back(name);
  }
  return allocation;
}

std::string to_text(const SlurmAllocation& allocation) {
  const SlurmJob& job = allocation.job;
  std::map<std::string, int> gpus;
  std::size_t cpus = 0;
  for (const SlurmNode& node : job.nodes) {
    cpus += node.cpus.size();
    for (const SlurmGpu& gpu : node.gpus) ++gpus[gpu.type.empty() ? "GPUs" : gpu.type];
  }
  std::vector<std::string> devices;
  for (const auto& [type, count] : gpus) devices.push_back(fmt::format("{} {}", count, type));
  if (devices.empty()) devices.push_back(fmt::format("{} CPU{}", cpus, cpus == 1 ? "" : "s"));
  std::string text = fmt::format("Slurm job {}: {} node{} with {}", job.id, job.nodes.size(),
                                 job.nodes.size() == 1 ? "" : "s", fmt::join(devices, " and "));
  if (const auto left = job.time_left()) text += fmt::format(", {} left", to_text_duration(*left));
  if (job.restarts > 0) text += fmt::format(", restart {}", job.restarts);
  if (!allocation.gone.empty())
    text += fmt::format("; {} {} left it", fmt::join(allocation.gone, ", "),
                        allocation.gone.size() == 1 ? "has" : "have");
  return text;
}

}  // namespace saturn
