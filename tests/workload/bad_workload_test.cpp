// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/file.h"
#include "temporary_directory.h"
#include "workload_text.h"

namespace saturn::bad_workload_test {
using test::problems;
using test::with_task;

TEST_CASE("an empty file, and one that is no map") {
  CHECK(problems("") == "0:0 the file is empty; a workload has at least 'tasks'\n");
  CHECK(problems("# later\n") == "0:0 the file is empty; a workload has at least 'tasks'\n");
  CHECK(problems("- a\n") == "1:1 the file must be a map (keys with values), not a list\n");
  CHECK(problems("hello") == "1:1 the file must be a map (keys with values), not the text 'hello'\n");
}

TEST_CASE("no tasks") {
  CHECK(problems("name: x\n") == "1:1 missing key 'tasks'\n");
  CHECK(problems("tasks: []\n") == "1:8 'tasks' is empty: there is nothing to train\n");
  CHECK(problems("tasks:\n") == "1:1 'tasks' must be a list of tasks, not nothing\n");
  CHECK(problems("tasks: {a: 1}\n") == "1:8 'tasks' must be a list of tasks, not a map\n");
}

TEST_CASE("unknown and doubled keys of the file") {
  CHECK(problems(with_task("name: a, batch_size: 1, steps: 1",
                           "taks: 1\nnmae: 2\nseed: 1\nseed: 2\nmodels: 3\n")) ==
        "1:1 unknown key 'taks' (did you mean 'tasks'?)\n"
        "2:1 unknown key 'nmae' (did you mean 'name'?)\n"
        "4:1 key 'seed' is given twice (first on line 3)\n"
        "5:1 unknown key 'models'; known keys: name, seed, cluster, defaults, tasks, parallelisms, profile, "
        "plan, run\n");
}

TEST_CASE("wrong values of the file's own keys") {
  CHECK(
      problems(with_task("name: a, batch_size: 1, steps: 1", "name: a/b\nseed: x\nparallelisms: {a: 1}\n")) ==
      "1:7 'name' 'a/b' has '/' in it (it names a directory: letters, digits and . _ + = - only)\n"
      "2:7 'seed' must be a whole number, not the text 'x'\n"
      "3:15 'parallelisms' must be a list of texts, not a map\n");
  CHECK(problems("defaults: 3\ntasks: [{name: a, batch_size: 1, steps: 1}]\n") ==
        "1:11 'defaults' must be a map of task fields, not the number 3\n"
        "2:9 task: missing key 'data'\n"
        "2:9 task: missing key 'model'\n");
}

TEST_CASE("a file whose name is no name needs one in it") {
  const std::string text =
      "tasks: [{name: a, model: {layers: 1, heads: 1, width: 1, context: 1}, data: {files: x},"
      " batch_size: 1, steps: 1}]\n";
  CHECK(parse_workload("/w/my sweep.yaml", "name: mine\n" + text).name == "mine");
  CHECK_THROWS_WITH_AS(
      parse_workload("/w/my sweep.yaml", text),
      ("/w/my sweep.yaml:1:1: error: the file's name cannot name the workload ('my sweep' has ' ' in it "
       "(it names a directory: letters, digits and . _ + = - only)); give 'name'\n     1 | " +
       text + "       | ^")
          .c_str(),
      InputError);
}

TEST_CASE("what is wrong in the defaults is said once, for however many tasks") {
  CHECK(problems("defaults: {model: {layers: 0, heads: 2, width: 8, context: 4}, optimzer: {lr: 1}, data: "
                 "{files: x},\n"
                 "  batch_size: 1, batch_size: 2, steps: 1}\n"
                 "tasks:\n  - {name: a}\n  - {name: b, batch_size: 4}\n  - {name: 'c{seed}', sweep: {grid: "
                 "{seed: [1, 2, 3]}}}\n") ==
        "1:28 model: 'layers' must be at least 1, not 0\n"
        "1:64 task: unknown key 'optimzer' (did you mean 'optimizer'?)\n"
        "2:18 defaults: key 'batch_size' is given twice (first on line 2)\n");
}

TEST_CASE("everything is reported at once, in the order of the file, with excerpts") {
  CHECK_THROWS_WITH_AS(
      test::parse("sede: 1\n"
                  "tasks:\n"
                  "  - name: a\n"
                  "    model: {layers: 1, heads: 2, width: 9, context: 4}\n"
                  "    data: {files: x.txt}\n"
                  "    batch_size: many\n"
                  "    steps: -4\n"),
      "/w/w.yaml:1:1: error: unknown key 'sede' (did you mean 'seed'?)\n"
      "     1 | sede: 1\n"
      "       | ^\n"
      "/w/w.yaml:4:31: error: model: 'heads' is 2, which does not divide width 9: every head gets an "
      "equal part\n"
      "     4 |     model: {layers: 1, heads: 2, width: 9, context: 4}\n"
      "       |                               ^\n"
      "/w/w.yaml:6:17: error: task: 'batch_size' must be a whole number, not the text 'many'\n"
      "     6 |     batch_size: many\n"
      "       |                 ^\n"
      "/w/w.yaml:7:12: error: task: 'steps' must be at least 0, not -4\n"
      "     7 |     steps: -4\n"
      "       |            ^",
      InputError);
}

TEST_CASE("a missing file is the environment's failure") {
  CHECK_THROWS_WITH_AS(read_workload("/nowhere/w.yaml"),
                       "cannot read /nowhere/w.yaml: No such file or directory", SystemError);
}

}  // namespace saturn::bad_workload_test
