// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <unistd.h>

#include "base/error.h"
#include "commands.h"
#include "launch/agent.h"
#include "launch/gpu_watch.h"
#include "output.h"
#include "saturn_version.h"
#include "script/script_rank.h"

namespace {

using namespace saturn;

/// What the command line asks for, to be called once it has been read.
using Action = std::function<int(InterruptGuard&)>;

CLI::App* subcommand(CLI::App& app, const char* name, const char* description, CommonOptions& options) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_flag("--json", options.json, "Print the result as JSON on standard output");
  return command;
}

void add_search_options(CLI::App* command, CommonOptions& options) {
  command->add_option(
      "--parallelism-path", options.parallelism_path,
      "Directories with parallelisms, searched before SATURN_PARALLELISM_PATH and the built-in ones");
  command->add_flag("--no-cache", options.no_cache, "Measure every trial again");
}

void add_cluster(CLI::App& app, CommonOptions& options, Action& action) {
  auto command = std::make_shared<ClusterCommand>();
  CLI::App* sub = subcommand(
      app, "cluster", "Show what there is to train on: this machine, or the Slurm allocation", options);
  sub->add_option("workload", command->workload,
                  "A workload file (YAML): what it asks for of that, held against what is there");
  sub->add_option(
      "--parallelism-path", options.parallelism_path,
      "Directories with parallelisms, searched before SATURN_PARALLELISM_PATH and the built-in ones");
  sub->callback([=, &options, &action] {
    action = [=, &options](InterruptGuard&) { return run_cluster(*command, options); };
  });
}

void add_profile(CLI::App& app, CommonOptions& options, Action& action) {
  auto command = std::make_shared<ProfileCommand>();
  CLI::App* sub =
      subcommand(app, "profile", "Measure every task under every parallelism and device count", options);
  sub->add_option("workload", command->workload, "The workload file (YAML)")->required();
  sub->add_option("-o,--output", command->output,
                  "Where to write it (default: profile.json in the run directory)");
  add_search_options(sub, options);
  sub->callback([=, &options, &action] {
    action = [=, &options](InterruptGuard& guard) { return run_profile(*command, options, guard); };
  });
}

void add_plan(CLI::App& app, CommonOptions& options, Action& action) {
  auto command = std::make_shared<PlanCommand>();
  CLI::App* sub = subcommand(
      app, "plan", "Choose parallelism, devices and start of every task (measures what is missing)", options);
  sub->add_option("workload", command->workload, "The workload file (YAML)");
  sub->add_option("-o,--output", command->output,
                  "Where to write it (default: plan.json in the run directory)");
  sub->add_option("--check", command->check, "Check this plan, edited by hand, instead of planning");
  sub->add_option("--complete", command->complete,
                  "Plan the tasks that this plan has no line for, around its lines, which all stay");
  sub->add_option("--method", command->method,
                  "Solve again: auto, or paper, the paper's MILP (for comparison on small cases)")
      ->check(CLI::IsMember({"auto", "paper"}));
  sub->add_option("--objective", command->objective,
                  "Solve again for the least makespan, mean_completion, or device time with the last task "
                  "ending by a deadline (deadline=2h), whatever the workload says");
  sub->add_option("--work", command->work,
                  "Solve again, until so many steps of search are done (some 100 million a second) whatever "
                  "time they take: the same plan on every machine")
      ->check(CLI::PositiveNumber);
  sub->add_flag("--force", command->force, "Solve again although the plan is up to date; pinned lines stay");
  sub->add_flag("--baselines", command->baselines, "Show what plans without a solver would come to, too");
  CLI::Option* clusters =
      sub->add_option(
             "--cluster", command->clusters,
             "Plan for a cluster that need not be there, as 2x8:h100,1x4:a100 (nodes x devices : kind), "
             "with what was measured; several times: compare them")
          ->type_name("SHAPE")
          ->expected(1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  sub->add_option(
         "--profile", command->profiles,
         "A profile for that (default: the run directory's); several times for several kinds of device")
      ->type_name("FILE")
      ->needs(clusters)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* explain =
      sub->add_option("--explain", command->explained_task,
                      "Say why the plan is as it is: critical tasks, idle devices, what more devices would "
                      "give; with a TASK, what its other configurations and places would cost")
          ->expected(0, 1)
          ->type_name("[TASK]");
  sub->add_option("--compare", command->compare, "Compare two plans; needs no workload")
      ->expected(2)
      ->type_name("A.json B.json");
  add_search_options(sub, options);
  sub->callback([=, &options, &action] {
    command->explain = explain->count() > 0;
    // `--explain W.yaml`: the option has taken what was meant as the workload.
    if (command->workload.empty()) std::swap(command->workload, command->explained_task);
    action = [=, &options](InterruptGuard& guard) { return run_plan(*command, options, guard); };
  });
}

void add_run(CLI::App& app, CommonOptions& options, Action& action) {
  auto command = std::make_shared<RunCommand>();
  CLI::App* sub = subcommand(
      app, "run",
      "Train every task by the plan (measures and plans what is missing); go on with what was stopped",
      options);
  sub->add_option("target", command->target, "The workload file (YAML), or a plan (JSON)")->required();
  CLI::Option* dry_run =
      sub->add_flag("--dry-run", command->dry_run, "Print the worker commands of the plan; start nothing");
  CLI::Option* fail_fast = sub->add_flag("--fail-fast", command->fail_fast,
                                         "End with the first task that fails: the others write a checkpoint");
  sub->add_flag("--keep-going{false}", command->fail_fast,
                "Go on with the other tasks when one fails (the default)")
      ->excludes(fail_fast);
  TimeLimitOptions& limit = command->time_limit;
  sub->add_option(
         "--time-reserve", limit.reserve,
         "In a Slurm allocation: leave so long before its end, every task with a checkpoint, and exit "
         "with 0 (default: 2min, or a tenth of the time where that is less)")
      ->type_name("TIME");
  sub->add_option("--leave-on", limit.signal, "The signal that asks for the same (default: USR1)")
      ->check(CLI::IsMember({"USR1", "USR2", "TERM"}));
  sub->add_flag("--requeue", limit.requeue,
                "Then have Slurm start the job again, if work is left and some was done in this allocation");
  SimulateOptions& simulate = command->simulate;
  CLI::Option* simulated = sub->add_flag("--simulate", simulate.on,
                                         "Train nothing: run the plan in simulated time, at the profile's "
                                         "speeds, with failures and looks at the plan, and report")
                               ->excludes(dry_run);
  sub->add_option("--noise", simulate.noise,
                  "Simulated speeds differ from the profile's by so much, as 5% (of a random factor)")
      ->needs(simulated);
  sub->add_option("--seed", simulate.seed, "Of that randomness (default 0)")->needs(simulated);
  sub->add_option("--speed", simulate.speeds, "TASK=0.8: that task runs at 0.8 of its profile's speed")
      ->needs(simulated)
      ->type_name("TASK=FACTOR");
  sub->add_option("--fail", simulate.fails,
                  "Lose a node, as node3@2h, or some devices, as node3:0,1@2h; with +30m they come back then")
      ->needs(simulated)
      ->type_name("NODE@TIME");
  add_search_options(sub, options);
  sub->callback([=, &options, &action] {
    action = [=, &options](InterruptGuard& guard) { return run_run(*command, options, guard); };
  });
}

void add_replan(CLI::App& app, CommonOptions& options, Action& action) {
  auto command = std::make_shared<ReplanCommand>();
  CLI::App* sub = subcommand(
      app, "replan",
      "Solve again what is left of a run, with the speeds that were observed, and change its tasks or "
      "its cluster; it may be going on",
      options);
  sub->add_option("directory", command->directory, "The run directory")->required();
  sub->add_option("--workload", command->workload,
                  "Take over this workload (default: the run's own, as it is now)");
  sub->add_option("--drop", command->drop, "Leave these tasks out from now on")->type_name("TASK");
  sub->add_option("--add", command->add, "Take in the tasks of this workload file")->type_name("FILE");
  sub->add_option(
         "--cluster", command->cluster,
         "Run on this cluster from now on, written as in a workload: '{slots: 4}', '{gpus: 2}', auto; "
         "or workload: as that says")
      ->type_name("CLUSTER");
  sub->add_flag("--dry-run", command->dry_run, "Show the new plan; change nothing");
  add_search_options(sub, options);
  sub->callback([=, &options, &action] {
    action = [=, &options](InterruptGuard& guard) { return run_replan(*command, options, guard); };
  });
}

void add_show(CLI::App& app, CommonOptions& options, Action& action) {
  auto command = std::make_shared<ShowCommand>();
  CLI::App* sub = subcommand(app, "show", "Show a profile, a plan or a run directory", options);
  sub->add_option("target", command->target, "profile.json, plan.json or a run directory")->required();
  sub->add_flag("-f,--follow", command->follow,
                "Watch a run directory that another process works on, until the run ends; with --json a line "
                "for every change");
  sub->callback([=, &options, &action] {
    action = [=, &options](InterruptGuard& guard) { return run_show(*command, options, guard); };
  });
}

/// What saturn itself starts: rank 0 of a command. Not for people.
void add_script(CLI::App& app, Action& action) {
  auto job = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("script", "Run a command as a gang of its own (saturn starts this)");
  sub->add_option("--job", *job, "The job file that saturn wrote")->required();
  sub->group("");  // not in the help
  sub->callback([=, &action] {
    action = [=](InterruptGuard&) { return run_script_rank({*job, python_helper_directory()}); };
  });
}

/// What saturn itself starts: it looks after the GPUs of a run. Not for people.
void add_watch_gpus(CLI::App& app, Action& action) {
  auto gpus = std::make_shared<std::vector<std::string>>();
  CLI::App* sub =
      app.add_subcommand(kWatchGpusCommand, "Say how GPUs are, again and again (saturn starts this)");
  sub->add_option("gpus", *gpus, "Their UUIDs or numbers")->required();
  sub->group("");  // not in the help
  sub->callback([=, &action] { action = [=](InterruptGuard&) { return run_gpu_watch(*gpus); }; });
}

void add_agent(CLI::App& app, Action& action) {
  auto needs = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand(kAgentCommand, "Start gangs on this node (saturn starts this)");
  sub->add_option("--needs", *needs, "A file with the paths that must be there");
  sub->group("");  // not in the help
  sub->callback([=, &action] {
    // A signal to the whole job is the supervisor's to act on.
    action = [=](InterruptGuard&) {
      return run_agent(STDIN_FILENO, STDOUT_FILENO, kVersion, *needs, make_gpu_watch({}, gpu_watcher(), say));
    };
  });
}

void add_conformance(CLI::App& app, CommonOptions& options, Action& action) {
  auto command = std::make_shared<ConformanceCommand>();
  CLI::App* sub = app.add_subcommand(
      "conformance", "Hold parallelisms to plain training: same losses, weights and resumed runs in float64");
  sub->add_option("names", command->names, "Which ones (default: every native one that is found)");
  sub->add_option(
      "--parallelism-path", options.parallelism_path,
      "Directories with parallelisms, searched before SATURN_PARALLELISM_PATH and the built-in ones");
  sub->callback([=, &options, &action] {
    action = [=, &options](InterruptGuard&) { return run_conformance(*command, options); };
  });
}

int act(const Action& action) {
  InterruptGuard interrupts;
  try {
    return action(interrupts);
  } catch (const Interrupted&) {
    return interrupts.exit_code();
  } catch (const InputError& error) {
    say(error.what());
    return kBadInput;
  } catch (const std::exception& error) {
    say(std::string("error: ") + error.what());
    return kEnvironment;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Saturn trains many large models on one set of devices in the shortest total time.", "saturn");
  app.set_version_flag("--version", std::string("saturn ") + kVersion);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 some task failed, 2 bad input, 3 the environment failed, 4 the run's budget is "
      "spent, 128 + N stopped by signal N.");
  CommonOptions options;
  Action action;
  add_cluster(app, options, action);
  add_profile(app, options, action);
  add_plan(app, options, action);
  add_run(app, options, action);
  add_replan(app, options, action);
  add_show(app, options, action);
  add_script(app, action);
  add_watch_gpus(app, action);
  add_agent(app, action);
  add_conformance(app, options, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadInput;
  }
  return act(action);
}
