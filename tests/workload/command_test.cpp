// SPDX-License-Identifier: Apache-2.0
#include "workload/command.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "workload/manifest.h"

namespace saturn::command_test {

namespace {

using Words = std::vector<std::string>;

TaskSpec script_task() {
  TaskSpec task;
  task.name = "a";
  task.model.kind = task.data.kind = "";
  task.script = true;
  task.arguments = {{"lr", "3e-4"}, {"depth", "2"}};
  task.devices = {1, 2};
  return task;
}

CommandSpec command_of(Words argv) {
  CommandSpec command;
  command.argv = std::move(argv);
  command.resume = {"--resume={checkpoint}"};
  command.folder = "/m";
  command.working_directory = "/w";
  return command;
}

CommandLine expand(Words argv, const std::string& checkpoint = "") {
  return expand_command(command_of(std::move(argv)),
                        {script_task(), {{"k", "v"}}, {"0", "3"}, {4, 5}, "/run/a", checkpoint});
}

}  // namespace

TEST_CASE("a command's templates become words") {
  CHECK(
      expand({"run", "-n{devices}", "{device_list}/{core_list}", "{knobs.k}", "{manifest}/train.py"}).argv ==
      Words{"run", "-n2", "0,3/4,5", "v", "/m/train.py"});
  CHECK(expand({"{arguments}", "{arguments.lr}", "{optimizer.lr}", "{name}{{}}"}).argv ==
        Words{"--depth=2", "--lr=3e-4", "3e-4", "0.001", "a{}"});
  CHECK(expand({"{directory}", "{checkpoints}"}).argv == Words{"/run/a", "/run/a/checkpoints"});
}

TEST_CASE("resume is added when there is a checkpoint") {
  CHECK(expand({"x"}).argv == Words{"x"});
  CHECK(expand({"x"}, "/c 1").argv == Words{"x", "--resume=/c 1"});
}

TEST_CASE("a task without what a command names does not fit it") {
  const auto misfit = [](const std::string& word) {
    return command_misfit(command_of({word}), script_task());
  };
  CHECK(misfit("{arguments.lr}{knobs.any}{devices}").empty());
  CHECK(misfit("{arguments.width}") == "the task has no 'arguments.width'");
  CHECK(misfit("{steps}") == "the task has no 'steps'");
  CHECK(misfit("{model.layers}") == "the task has no 'model.layers'");
  CHECK(misfit("{batch_size}") == "the task has no 'batch_size'");
  CHECK_THROWS_WITH_AS((void)expand({"{arguments.width}"}),
                       "error: task 'a': the task has no 'arguments.width'", InputError);
  TaskSpec gpt;
  CHECK(command_misfit(command_of({"{model.layers}"}), gpt).empty());
  CHECK(command_misfit(command_of({"{arguments}"}), gpt) == "the task has no 'arguments'");
}

TEST_CASE("native parallelisms train no scripts") {
  Manifest native;
  CHECK(misfit(native, script_task()) == "a task with 'arguments' is trained by commands only");
  CHECK(misfit(native, TaskSpec{}).empty());
}

TEST_CASE("a command comes back from its JSON as it was") {
  CommandSpec command = command_of({"a", "b c"});
  command.patterns = {"(?<step>x)"};
  command.environment = {{"A", "1"}};
  command.stop_signal = "none";
  const Document document = parse_json("c.json", to_json(command).dump());
  Diagnostics diagnostics(document);
  CHECK(command_from_value(document.root, diagnostics) == command);
  CHECK_FALSE(diagnostics.any());
}

TEST_CASE("a command line for a shell") {
  CHECK(to_shell({{"a", "b c", "it's", ""}, {{"V", "x y"}}, "/w"}) ==
        R"(cd /w && V='x y' a 'b c' 'it'\''s' '')");
}

}  // namespace saturn::command_test
