// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "launch/job.h"
#include "launch/launcher.h"
#include "temporary_directory.h"

namespace saturn::test {

/// `saturn script` as a gang of the local launcher, around a shell script.
struct RankFixture {
  TemporaryDirectory directory;
  std::unique_ptr<Launcher> launcher = make_local_launcher();
  Job job;
  std::vector<Outcome> outcomes;  ///< of a trial
  /// Called with each event; what it does (stop the gang, say) comes before the next.
  std::function<void(GangId, const Event&)> on_event = [](GangId, const Event&) {};

  RankFixture() {
    job.task.name = "t";
    job.task.script = true;
    job.task.model.kind = job.task.data.kind = "";
    job.task.steps = 10;
    job.devices = {{0, {}, 0}};
    job.directory = directory / "task";
    job.command = CommandSpec{};
    job.command->working_directory = directory.path();
    job.trial.trial_seconds = 0.05;
    job.trial.warmup_steps = 1;
    job.trial.min_steps = 2;
    job.trial.max_steps = 5;
    job.trial.trial_timeout_seconds = 20;
    make_directories(job.directory);
  }

  /// Runs it to its end: a word or two for each event but those of steps, then the exit code.
  std::string run(const std::string& script) {
    write_file_atomically(directory / "script.sh", script);
    job.command->argv = {"sh", "script.sh"};
    return run_command();
  }
  std::string run_command() {
    write_file_atomically(directory / "job.json", to_json(job).dump());
    GangSpec gang{.name = "t", .node = "n", .ranks = {}, .log = directory / "log", .environment = {}};
    gang.ranks = rank_commands({"/no/worker", SATURN_PROGRAM}, job, directory / "job.json");
    const GangId id = launcher->start(gang);
    std::string story;
    while (true) {
      const auto news = launcher->wait(Seconds(60));
      if (!news) return story + "nothing more";
      if (const auto* exited = std::get_if<GangExited>(&news->what))
        return story + "exit " + std::to_string(exited->code);
      const Event& event = std::get<Event>(news->what);
      if (std::holds_alternative<Ready>(event)) launcher->release(id);
      if (const auto* tried = std::get_if<CandidateTried>(&event)) outcomes.push_back(tried->outcome);
      on_event(id, event);
      story += words(event);
    }
  }
  std::string log() const { return read_file(directory / "log"); }

  static std::string words(const Event& event) {
    struct Words {
      std::string operator()(const Ready& e) const { return fmt::format("ready {}; ", e.step); }
      std::string operator()(const StepDone&) const { return ""; }
      std::string operator()(const Validating&) const { return ""; }
      std::string operator()(const Validated& e) const {
        return fmt::format("validated {} {}; ", e.step, e.loss);
      }
      std::string operator()(const Checkpointed& e) const { return fmt::format("saved {}; ", e.step); }
      std::string operator()(const CheckpointFailed& e) const {
        return fmt::format("not saved {}; ", e.step);
      }
      std::string operator()(const CheckpointSkipped& e) const { return e.message + "; "; }
      std::string operator()(const CandidateTried& e) const {
        return fmt::format("{}{}; ", to_text(e.knobs), to_json(e.outcome)["outcome"].get<std::string>());
      }
      std::string operator()(const TrialDone&) const { return "done; "; }
      std::string operator()(const Stopped& e) const { return fmt::format("stopped {}; ", e.step); }
      std::string operator()(const Finished& e) const {
        return fmt::format("finished {} {} {} {}{}; ", e.step, e.training_loss, e.validation_loss, e.weights,
                           e.why.empty() ? "" : " early: " + e.why);
      }
      std::string operator()(const Failed& e) const {
        const char* reasons[] = {"memory", "nan", "error"};
        return fmt::format("failed {}: {}; ", reasons[static_cast<int>(e.reason)], e.message);
      }
    };
    return std::visit(Words{}, event);
  }
};

/// A line of shell that reports a step.
inline std::string step_line(int step, const std::string& loss = "0.5") {
  return fmt::format("echo '{{\"event\":\"step\",\"step\":{},\"loss\":{}}}'\n", step, loss);
}

/// Steps from the shell variable `n` on, one every 20 ms; saves and leaves on TERM.
inline const char* const kPoliteScript = R"(
n=${SATURN_STEP:-0}
trap 'stop=1' TERM
while [ $n -lt ${TOTAL:-1000} ]; do
  n=$((n + 1))
  echo "{\"event\":\"step\",\"step\":$n,\"loss\":0.25}"
  if [ -n "$stop" ]; then
    echo $n >"$SATURN_CHECKPOINTS/at-$n"
    echo "{\"event\":\"checkpointed\",\"step\":$n,\"path\":\"at-$n\"}"
    exit 0
  fi
  sleep 0.02
done
)";

}  // namespace saturn::test
