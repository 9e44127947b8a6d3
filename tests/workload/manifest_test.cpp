// SPDX-License-Identifier: Apache-2.0
#include "workload/manifest.h"

#include <doctest/doctest.h>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "temporary_directory.h"

namespace saturn::manifest_test {

namespace {

void add(const test::TemporaryDirectory& root, const std::string& folder, const std::string& text) {
  make_directories(root / folder);
  write_file_atomically(root / (folder + "/parallelism.yaml"), text);
}

std::string problems_of(const std::function<void()>& action) {
  try {
    action();
    return "";
  } catch (const InputError& error) {
    std::string all;
    for (const Diagnostic& d : error.diagnostics())
      all += std::filesystem::path(d.file).parent_path().filename().string() + ":" + std::to_string(d.line) +
             ":" + std::to_string(d.column) + " " + d.message + "\n";
    return all;
  }
}

}  // namespace

TEST_CASE("a manifest is read") {
  const test::TemporaryDirectory root;
  add(root, "ddp",
      "name: ddp\ndescription: replicas\nkind: native\nlibrary: ddp.so\ndevices: [1, 2]\n"
      "knobs: {bucket_mb: [1, 25], overlap: yes}\n");
  const Manifest manifest = read_manifest(root / "ddp");
  CHECK(manifest.name == "ddp");
  CHECK(manifest.description == "replicas");
  CHECK(manifest.kind == "native");
  CHECK(manifest.library == root / "ddp/ddp.so");
  CHECK(manifest.devices == std::vector<std::int64_t>{1, 2});
  CHECK(manifest.knobs ==
        std::map<std::string, std::vector<std::string>>{{"bucket_mb", {"1", "25"}}, {"overlap", {"yes"}}});
}

TEST_CASE("a manifest needs a name and a library, and may leave out the rest") {
  const test::TemporaryDirectory root;
  add(root, "x", "name: x\nlibrary: /opt/x.so\n");
  const Manifest manifest = read_manifest(root / "x");
  CHECK(manifest.kind == "native");
  CHECK(manifest.library == "/opt/x.so");
  CHECK(manifest.devices.empty());
  CHECK(manifest.knobs.empty());
}

TEST_CASE("what is wrong with manifests is reported at once, for all of them") {
  const test::TemporaryDirectory root;
  add(root, "a", "nmae: a\nkind: script\ndevices: [0]\nknobs: {k: [], m: {}}\n");
  add(root, "b", "name: b c\nlibrary: b.so\n");
  add(root, "c", "");
  CHECK(problems_of([&] { (void)find_parallelisms({root.path()}); }) ==
        "a:1:1 missing key 'library'\n"
        "a:1:1 missing key 'name'\n"
        "a:1:1 unknown key 'nmae' (did you mean 'name'?)\n"
        "a:2:7 'kind' must be one of native, command, not the text 'script'\n"
        "a:3:11 : an item of 'devices' must be at least 1, not 0\n"
        "a:4:12 knobs: 'k' has no values\n"
        "a:4:19 knobs: 'm' must be a list of texts, not a map\n"
        "b:1:7 'name' 'b c' has ' ' in it (it names a directory: letters, digits and . _ + = - only)\n"
        "c:0:0 the file must be a map (keys with values), not nothing\n");
}

TEST_CASE("parallelisms are found along the path, the first of a name wins") {
  const test::TemporaryDirectory first, second;
  add(first, "one", "name: p\ndescription: first\nlibrary: p.so\n");
  add(second, "two", "name: p\ndescription: second\nlibrary: p.so\n");
  add(second, "other", "name: a\nlibrary: a.so\n");
  make_directories(second / "no-manifest");
  const auto found = find_parallelisms({first.path(), first / "missing", second.path()});
  REQUIRE(found.size() == 2);
  CHECK(found[0].name == "a");
  CHECK(found[1].description == "first");
}

TEST_CASE("a folder without a manifest is the environment's failure") {
  const test::TemporaryDirectory root;
  const std::string path = root / "parallelism.yaml";
  CHECK_THROWS_WITH_AS(read_manifest(root.path()),
                       ("cannot read " + path + ": No such file or directory").c_str(), SystemError);
}

TEST_CASE("parallelisms that a workload names must have been found") {
  Workload workload;
  workload.file = "/x/w.yaml";
  workload.parallelisms = {"ddp", "spil"};
  workload.tasks.resize(1);
  workload.tasks[0].name = "a";
  workload.tasks[0].mark = {4, 5};
  workload.tasks[0].parallelisms = {"dpp"};
  std::vector<Manifest> found(2);
  found[0].name = "ddp", found[1].name = "spill";
  CHECK_THROWS_WITH_AS(
      check_parallelisms(workload, found),
      "/x/w.yaml: error: parallelisms: no parallelism 'spil' (did you mean 'spill'?); found: ddp, spill\n"
      "/x/w.yaml:4:5: error: task 'a': no parallelism 'dpp' (did you mean 'ddp'?); found: ddp, spill",
      InputError);
  CHECK_THROWS_WITH_AS(check_parallelisms(workload, {}),
                       "/x/w.yaml: error: parallelisms: no parallelism 'ddp'; found: none\n"
                       "/x/w.yaml: error: parallelisms: no parallelism 'spil'; found: none\n"
                       "/x/w.yaml:4:5: error: task 'a': no parallelism 'dpp'; found: none",
                       InputError);
  workload.parallelisms = {"ddp"}, workload.tasks[0].parallelisms = {"spill"};
  CHECK_NOTHROW(check_parallelisms(workload, found));
}

TEST_CASE("a manifest of a command is read") {
  const test::TemporaryDirectory root;
  add(root, "c",
      "name: c\nkind: command\ncommand: [python3, train.py, '{arguments}', '--n={devices}']\n"
      "resume: '--resume={checkpoint}'\nprogress: {pattern: 'step (?<step>\\d+)'}\n"
      "environment: {LR: '{optimizer.lr}', MODE: '{knobs.mode}'}\nknobs: {mode: [a, b]}\n"
      "stop_signal: none\n");
  const Manifest manifest = read_manifest(root / "c");
  CHECK(manifest.is_command());
  CHECK(manifest.library.empty());
  CHECK(manifest.command.argv ==
        std::vector<std::string>{"python3", "train.py", "{arguments}", "--n={devices}"});
  CHECK(manifest.command.resume == std::vector<std::string>{"--resume={checkpoint}"});
  CHECK(manifest.command.patterns == std::vector<std::string>{"step (?<step>\\d+)"});
  CHECK(manifest.command.environment ==
        std::map<std::string, std::string>{{"LR", "{optimizer.lr}"}, {"MODE", "{knobs.mode}"}});
  CHECK(manifest.command.working_directory == root / "c");
  CHECK(manifest.command.folder == root / "c");
  CHECK(manifest.command.stop_signal == "none");
}

TEST_CASE("what is wrong with a command is reported at once, with its place") {
  const test::TemporaryDirectory root;
  add(root, "a",
      "name: a\nkind: command\nlibrary: a.so\n"
      "command: [x, '{optimiser.lr}', '{stps}', '{checkpoint}', '{knobs.k}', '{open', '-{arguments}']\n"
      "resume: ['{checkpoint}', '{chekpoint}']\n"
      "environment: {'A=B': 1, OK: '{name}'}\n"
      "progress: {pattern: [ok, '(?<step>x']}\n"
      "working_directory: nowhere\nstop_signal: KILL\n");
  add(root, "b", "name: b\nkind: command\ncommand: []\nprogress: {pattern: '(?<loss>x)'}\n");
  CHECK(
      problems_of([&] { (void)find_parallelisms({root.path()}); }) ==
      "a:3:1 unknown key 'library'; known keys: name, description, kind, devices, knobs, command, resume, "
      "environment, progress, working_directory, stop_signal\n"
      "a:4:14 command: there is no field 'optimiser.lr' (did you mean 'optimizer.lr'?)\n"
      "a:4:32 command: there is no field 'stps' (did you mean 'steps'?)\n"
      "a:4:42 command: '{checkpoint}' can stand in 'resume' only: there may be none\n"
      "a:4:58 command: there is no knob 'k'\n"
      "a:4:71 command: '{open' has a '{' without its '}'\n"
      "a:4:80 command: '{arguments}' must be a word of its own; name one: {arguments.NAME}\n"
      "a:5:26 resume: there is no field 'chekpoint' (did you mean 'checkpoint'?)\n"
      "a:6:15 environment: 'A=B' names no variable\n"
      "a:7:22 progress: pattern: it has no group with a name: write (?<step>\\d+) around the step's number\n"
      "a:7:26 progress: pattern: Mismatched '(' and ')' in regular expression\n"
      "a:8:20 'working_directory' is no directory: " +
          (root / "a/nowhere").string() +
          "\n"
          "a:9:14 'stop_signal' must be one of TERM, INT, HUP, USR1, USR2, none, not the text 'KILL'\n"
          "b:3:10 'command' names no program\n"
          "b:4:21 progress: 'pattern' has no group 'step': write (?<step>\\d+) around the step's number\n");
}

TEST_CASE("a directory that is a parallelism itself is found") {
  const test::TemporaryDirectory root;
  add(root, ".", "name: p\nkind: command\ncommand: x\n");
  const auto found = find_parallelisms({root.path()});
  REQUIRE(found.size() == 1);
  CHECK(found[0].name == "p");
}

}  // namespace saturn::manifest_test
