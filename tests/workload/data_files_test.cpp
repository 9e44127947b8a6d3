// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "temporary_directory.h"
#include "workload_text.h"

namespace saturn::data_files_test {

namespace {

/// A workload file on disk beside its data; blocks of 5 tokens (context 4).
struct Folder {
  Workload read(const std::string& files, const std::string& keys) const {
    write_file_atomically(directory / "w.yaml",
                          "defaults: {model: {layers: 1, heads: 2, width: 8, context: 4}, batch_size: 2}\n"
                          "tasks:\n  - {name: a, data: {files: " +
                              files + "}, " + keys + "}\n");
    return read_workload(directory / "w.yaml");
  }
  /// The messages, with the folder's path as DIR.
  std::string problems(const std::string& files, const std::string& keys = "steps: 1") const {
    try {
      (void)read(files, keys);
      return "";
    } catch (const InputError& error) {
      std::string all;
      for (const Diagnostic& d : error.diagnostics())
        all += fmt::format("{}:{} {}\n", d.line, d.column, d.message);
      const std::string path = directory.path().string();
      for (size_t at = all.find(path); at != std::string::npos; at = all.find(path))
        all.replace(at, path.size(), "DIR");
      return all;
    }
  }
  void add(const std::string& name, size_t bytes) const {
    make_directories((directory / name).parent_path());
    write_file_atomically(directory / name, std::string(bytes, 'x'));
  }
  test::TemporaryDirectory directory;
};

}  // namespace

TEST_CASE("globs become sorted files, each once, in the order of the patterns") {
  const Folder folder;
  for (const char* name : {"b.txt", "a.txt", "sub/c.txt", "sub/d.md"}) folder.add(name, 1000);
  const Workload workload = folder.read("[sub/*.md, \"**/*.txt\", a.txt]", "steps: 1");
  const std::string dir = folder.directory.path();
  CHECK(workload.tasks.at(0).data.files ==
        std::vector<std::string>{dir + "/sub/d.md", dir + "/a.txt", dir + "/b.txt", dir + "/sub/c.txt"});
}

TEST_CASE("epochs become steps of the training part, rounded down, at least one") {
  const Folder folder;
  folder.add("x.txt", 1000);  // 950 training tokens, 8 tokens a step
  CHECK(folder.read("x.txt", "epochs: 1").tasks.at(0).steps == 118);
  CHECK(folder.read("x.txt", "epochs: 2").tasks.at(0).steps == 237);
  CHECK(folder.read("x.txt", "epochs: 0.5").tasks.at(0).steps == 59);
  CHECK(folder.read("x.txt", "epochs: 0.0001").tasks.at(0).steps == 1);
  CHECK(folder.read("x.txt", "steps: 7").tasks.at(0).steps == 7);
  CHECK(folder.read("x.txt", "epochs: 1").tasks.at(0).epochs == 1);
}

TEST_CASE("the tokens of several files count together") {
  const Folder folder;
  for (const char* name : {"a.txt", "b.txt"}) folder.add(name, 500);
  CHECK(folder.read("\"*.txt\"", "epochs: 1").tasks.at(0).steps == 118);
}

TEST_CASE("a file with brackets in its name is taken for itself") {
  const Folder folder;
  folder.add("x[1].txt", 1000);
  CHECK(folder.read("\"x[1].txt\"", "steps: 1").tasks.at(0).data.files.size() == 1);
}

TEST_CASE("missing files, empty globs and directories are named") {
  const Folder folder;
  folder.add("corpus.txt", 1000);
  folder.add("sub/x", 10);
  CHECK(folder.problems("[corpsu.txt, \"*.md\", sub, none/at/all]") ==
        "3:30 data: no file DIR/corpsu.txt (did you mean 'corpus.txt'?)\n"
        "3:42 data: no file matches DIR/*.md\n"
        "3:50 data: DIR/sub is a directory; its files are 'DIR/sub/**'\n"
        "3:55 data: no file DIR/none/at/all\n");
}

TEST_CASE("a file that must not be read is named" *
          doctest::skip(::geteuid() == 0)) {  // root may read everything
  const Folder folder;
  folder.add("x.txt", 1000);
  ::chmod((folder.directory / "x.txt").c_str(), 0);
  CHECK(folder.problems("x.txt") == "3:29 data: cannot read DIR/x.txt: Permission denied\n");
}

TEST_CASE("a file whose name is no UTF-8 is refused") {
  const Folder folder;
  folder.add("x\xFF.txt", 1000);
  CHECK(folder.problems("\"*.txt\"") == "3:29 data: the name of a file in DIR is not UTF-8; rename it\n");
}

TEST_CASE("a device is no data file") {
  const Folder folder;
  CHECK(folder.problems("/dev/null") == "3:29 data: /dev/null is not a regular file\n");
}

TEST_CASE("data shorter than a block is refused, in either part") {
  const Folder folder;
  folder.add("empty.txt", 0);
  folder.add("four.txt", 4);
  folder.add("fifty.txt", 50);
  folder.add("hundred.txt", 100);
  CHECK(folder.problems("empty.txt") ==
        "3:29 data: the training part has 0 tokens; one block takes 5 (context 4 and the token after it)\n");
  CHECK(folder.problems("four.txt") ==
        "3:29 data: the training part has 4 tokens; one block takes 5 (context 4 and the token after it)\n");
  CHECK(folder.problems("fifty.txt") ==
        "3:29 data: the held-out part has 2 tokens; one block takes 5 (context 4 and the token after it)\n");
  CHECK(folder.problems("hundred.txt") == "");
  CHECK(folder.problems("fifty.txt, validation_fraction: 0") == "");
  CHECK(folder.problems("fifty.txt, validation_fraction: 0.99") ==
        "3:29 data: the training part has 1 tokens; one block takes 5 (context 4 and the token after it)\n");
}

TEST_CASE("a warm-up longer than the task is refused") {
  const Folder folder;
  folder.add("x.txt", 1000);
  CHECK(folder.problems("x.txt", "steps: 5, optimizer: {schedule: {warmup_steps: 6}}") ==
        "3:84 optimizer.schedule: 'warmup_steps' is 6, but the task has only 5 steps\n");
  CHECK(folder.problems("x.txt", "epochs: 1, optimizer: {schedule: {warmup_steps: 119}}") ==
        "3:85 optimizer.schedule: 'warmup_steps' is 119, but the task has only 118 steps\n");
  CHECK(folder.problems("x.txt", "steps: 5, optimizer: {schedule: {warmup_steps: 5}}") == "");
}

TEST_CASE("missing data and wrong keys are reported together") {
  const Folder folder;
  CHECK(folder.problems("x.txt", "steps: 0, colour: 1") ==
        "3:29 data: no file DIR/x.txt\n"
        "3:44 task: 'steps' must be more than 0\n"
        "3:47 task: unknown key 'colour'; known keys: name, model, data, arguments, same_speed, optimizer, "
        "batch_size, "
        "micro_batch_size, precision, epochs, steps, seed, devices, across_nodes, parallelisms, "
        "checkpoint_every_steps, "
        "validate_every_steps, stop, sweep\n");
}

}  // namespace saturn::data_files_test
