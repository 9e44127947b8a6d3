// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "cluster/machine.h"
#include "launch/job.h"
#include "launch/launcher.h"
#include "temporary_directory.h"

namespace saturn::test {

/// One core, taken in turn from those that this process may use.
inline std::vector<int> core_of(int rank) {
  const std::vector<int> cores = this_machine().cores;
  return {cores[static_cast<std::size_t>(rank) % cores.size()]};
}

/// A small GPT on a made-up text in `directory`, for `ranks` slots of one core each.
inline Job small_job(const std::filesystem::path& directory, int ranks) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += fmt::format("{} plus {} is {}. ", i % 37, i % 11, i % 37 + i % 11);
  const std::filesystem::path file = directory / "text.txt";
  if (!std::filesystem::exists(file)) write_file_atomically(file, text);
  Job job;
  job.task.name = "small";
  job.task.model.gpt = {.layers = 2, .heads = 2, .width = 32, .context = 16, .vocabulary = 256};
  job.task.data.files = {file.string()};
  job.task.data.validation_batches = 2;
  job.task.optimizer.clip = 1;
  job.task.batch_size = 8;
  job.task.steps = 12;
  job.task.seed = 7;
  job.parallelism = "ddp";
  job.library = SATURN_DDP;
  for (int rank = 0; rank < ranks; ++rank) job.devices.push_back({.index = rank, .cores = core_of(rank)});
  job.directory = directory / "run";
  job.trial = {.trial_seconds = 0.05, .warmup_steps = 1, .min_steps = 3, .max_steps = 5};
  std::filesystem::create_directories(job.directory);
  return job;
}

/// What became of a gang.
struct GangHistory {
  std::vector<Event> events;
  GangExited exited;
  std::string log;

  template <class Kind>
  std::vector<Kind> all() const {
    std::vector<Kind> found;
    for (const Event& event : events) {
      if (const auto* kind = std::get_if<Kind>(&event)) found.push_back(*kind);
    }
    return found;
  }
  template <class Kind>
  Kind last() const {
    const auto found = all<Kind>();
    INFO("log: " << log);
    REQUIRE(!found.empty());
    return found.back();
  }
};

/// The real worker under a real launcher.
class WorkerGang {
 public:
  /// `prefix` comes before the worker's command line.
  explicit WorkerGang(const Job& job, std::vector<std::string> prefix = {})
      : WorkerGang(make_local_launcher(), job, std::move(prefix)) {}
  WorkerGang(std::unique_ptr<Launcher> launcher, const Job& job, const std::vector<std::string>& prefix = {})
      : launcher_(std::move(launcher)) {
    const auto file = job.directory / "job.json";
    write_file_atomically(file, to_json(job).dump(2));
    GangSpec spec{.name = job.task.name,
                  .node = job.nodes.empty() ? "here" : job.nodes.front().node,
                  .job = job,
                  .ranks = rank_commands({SATURN_WORKER, ""}, job, file),
                  .log = job.directory / "log",
                  .environment = {}};
    log_ = spec.log;
    for (auto& rank : spec.ranks) rank.insert(rank.begin(), prefix.begin(), prefix.end());
    gang_ = launcher_->start(spec);
  }

  Launcher& launcher() { return *launcher_; }
  GangId id() const { return gang_; }

  /// Until the gang is gone; `react` sees every event, and by default releases the gang when it is ready.
  GangHistory run(const std::function<void(const Event&)>& react = {}) {
    GangHistory history;
    while (true) {
      const auto news = launcher_->wait(Seconds(120));
      REQUIRE_MESSAGE(news.has_value(), "the gang has not moved for two minutes");
      if (news->gang != gang_) continue;  // of devices
      if (const auto* exited = std::get_if<GangExited>(&news->what)) {
        history.exited = *exited;
        history.log = read_file(log_);
        return history;
      }
      const Event& event = std::get<Event>(news->what);
      history.events.push_back(event);
      if (react) react(event);
      if (!react && std::holds_alternative<Ready>(event)) launcher_->release(gang_);
    }
  }

 private:
  std::unique_ptr<Launcher> launcher_;
  GangId gang_ = -1;
  std::filesystem::path log_;
};

inline GangHistory run_gang(const Job& job) {
  return WorkerGang(job).run();
}

/// The losses of the steps in metrics.jsonl; requires each step once and in order.
inline std::vector<double> losses_of(const Job& job) {
  std::vector<double> losses;
  const std::string text = read_file(job.directory / "metrics.jsonl");
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const auto line = nlohmann::json::parse(text.substr(begin, end - begin));
    if (!line.contains("loss")) continue;
    REQUIRE(line["step"] == losses.size() + 1);
    losses.push_back(line["loss"]);
  }
  return losses;
}

/// The process of a rank of a gang that this process has started; -1 when it is gone.
inline int process_of_rank(int rank) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      const std::string command = read_file(entry.path() / "cmdline");
      const std::string status = read_file(entry.path() / "status");
      const std::string wanted = std::string("--rank") + '\0' + std::to_string(rank) + '\0';
      if (command.find(wanted) == std::string::npos) continue;
      if (status.find(fmt::format("\nPPid:\t{}\n", ::getpid())) == std::string::npos) continue;
      return std::stoi(name);
    } catch (const std::exception&) {
      continue;  // gone meanwhile
    }
  }
  return -1;
}

}  // namespace saturn::test
