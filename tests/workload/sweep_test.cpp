// SPDX-License-Identifier: Apache-2.0
#include "workload/sweep.h"

#include <set>

#include "workload_text.h"

namespace saturn::sweep_test {
using test::names;
using test::parse;
using test::with_task;

namespace {

/// The tasks of one that has this sweep.
Workload swept(const std::string& name, const std::string& sweep, const std::string& top_level = "") {
  return parse(with_task("name: \"" + name + "\", batch_size: 2, steps: 3, sweep: " + sweep, top_level));
}

}  // namespace

TEST_CASE("a grid makes every combination, the first field changing slowest") {
  const Workload workload = swept("l{model.layers}-lr{optimizer.lr}",
                                  "{grid: {model.layers: [1, 2], optimizer.lr: [1e-3, 3e-4, 0.01]}}");
  CHECK(names(workload) == "l1-lr1e-3\nl1-lr3e-4\nl1-lr0.01\nl2-lr1e-3\nl2-lr3e-4\nl2-lr0.01\n");
  CHECK(workload.tasks.at(4).model.gpt.layers == 2);
  CHECK(workload.tasks.at(4).optimizer.lr == 3e-4);
}

TEST_CASE("a zip takes its lists in pairs, and multiplies with a grid") {
  CHECK(names(swept("b{batch_size}-lr{optimizer.lr}", "{zip: {batch_size: [4, 8], optimizer.lr: [1, 2]}}")) ==
        "b4-lr1\nb8-lr2\n");
  CHECK(names(swept("s{seed}-b{batch_size}", "{zip: {batch_size: [4, 8]}, grid: {seed: [1, 2]}}")) ==
        "s1-b4\ns1-b8\ns2-b4\ns2-b8\n");
}

TEST_CASE("maps and lists can be swept, and maps are merged in") {
  const Workload workload =
      swept("w{model.width}-d{devices}",
            "{zip: {model: [{width: 16}, {width: 32, layers: 3}], devices: [[1], [1, 2]]}}");
  CHECK(names(workload) == "w16-d1\nw32-d1-2\n");
  CHECK(workload.tasks.at(0).model.gpt == GptModel{1, 2, 16, 4, 256});
  CHECK(workload.tasks.at(1).model.gpt == GptModel{3, 2, 32, 4, 256});
}

TEST_CASE("names themselves can be swept, and fields that were not there") {
  CHECK(names(swept("x", "{zip: {name: [a, \"b{optimizer.clip}\"], optimizer.clip: [0, 1]}}")) == "a\nb1\n");
}

TEST_CASE("a sweep in the defaults holds for every task and can be added to") {
  const Workload workload = parse(
      "defaults:\n"
      "  model: {layers: 1, heads: 2, width: 8, context: 4}\n"
      "  data: {files: x}\n"
      "  batch_size: 1\n"
      "  steps: 1\n"
      "  sweep: {grid: {optimizer.lr: [1, 2]}}\n"
      "tasks:\n"
      "  - {name: 'a{optimizer.lr}'}\n"
      "  - {name: 'b{seed}-{optimizer.lr}', sweep: {grid: {seed: [3, 4]}}}\n");
  CHECK(names(workload) == "a1\na2\nb3-1\nb3-2\nb4-1\nb4-2\n");
}

TEST_CASE("a random sweep is the same everywhere and for ever") {
  const Workload workload =
      swept("lr{optimizer.lr}-b{batch_size}-c{optimizer.clip}",
            "{random: {count: 4, seed: 5, over: {optimizer.lr: {min: 1e-5, max: 1e-1, log: true},"
            " batch_size: {min: 1, max: 64, integer: true}, optimizer.clip: [0, 0.5, 1]}}}");
  CHECK(names(workload) ==
        "lr1.384e-05-b56-c0.5\n"
        "lr0.007515-b60-c1\n"
        "lr2.007e-05-b4-c0.5\n"
        "lr0.05179-b59-c0.5\n");
}

TEST_CASE("draws follow the seed, and the workload's seed when there is none") {
  const auto draw = [](const std::string& seed, const std::string& top_level) {
    return names(swept("lr{optimizer.lr}",
                       "{random: {count: 3, " + seed + "over: {optimizer.lr: {min: 1, max: 2}}}}",
                       top_level));
  };
  CHECK(draw("seed: 1, ", "") != draw("seed: 2, ", ""));
  CHECK(draw("seed: 1, ", "") == draw("seed: 1, ", "seed: 9\n"));
  CHECK(draw("", "seed: 1\n") == draw("seed: 1, ", ""));
}

TEST_CASE("a field's draws do not depend on the other fields") {
  const Workload alone =
      swept("{seed}", "{random: {count: 5, over: {seed: {min: 0, max: 1000000, integer: true}}}}");
  const Workload together = swept("{seed}-{batch_size}",
                                  "{random: {count: 5, over: {batch_size: {min: 1, max: 1000, integer: "
                                  "true}, seed: {min: 0, max: 1000000, integer: true}}}}");
  for (size_t i = 0; i < 5; ++i) CHECK(alone.tasks[i].seed == together.tasks[i].seed);
}

TEST_CASE("draws stay in their range, reach both ends of whole numbers, and are all different") {
  const Workload workload =
      swept("{batch_size}", "{random: {count: 9, over: {batch_size: {min: 4, max: 12, integer: true}}}}");
  std::set<std::int64_t> sizes;
  for (const TaskSpec& task : workload.tasks) sizes.insert(task.batch_size);
  CHECK(sizes == std::set<std::int64_t>{4, 5, 6, 7, 8, 9, 10, 11, 12});
  const Workload log =
      swept("{optimizer.lr}", "{random: {count: 400, over: {optimizer.lr: {min: 1e-4, max: 1, log: true}}}}");
  int below_middle = 0;
  for (const TaskSpec& task : log.tasks) {
    CHECK(task.optimizer.lr >= 1e-4);
    CHECK(task.optimizer.lr <= 1);
    below_middle += task.optimizer.lr < 1e-2 ? 1 : 0;
  }
  CHECK(below_middle > 150);
  CHECK(below_middle < 250);
}

TEST_CASE("a range of one value and a choice of all settings can be drawn out") {
  CHECK(names(swept("{optimizer.lr}",
                    "{random: {count: 1, over: {optimizer.lr: {min: 3e-4, max: 3e-4}}}}")) == "0.0003\n");
  const Workload all =
      swept("{seed}{batch_size}", "{random: {count: 6, over: {seed: [1, 2, 3], batch_size: [4, 5]}}}");
  CHECK(all.tasks.size() == 6);
}

}  // namespace saturn::sweep_test
