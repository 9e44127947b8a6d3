// SPDX-License-Identifier: Apache-2.0
#include "workload_text.h"

namespace saturn::bad_sweep_test {
using test::problems;
using test::with_task;

namespace {

/// What is wrong with a task that has this sweep; the sweep begins at 3:57.
std::string wrong(const std::string& sweep) {
  return problems(with_task("name: \"a{optimizer.lr}\", batch_size: 2, steps: 3, sweep: " + sweep));
}

}  // namespace

TEST_CASE("a sweep over a missing path says which one was meant") {
  CHECK(wrong("{grid: {optimiser.lr: [1], lr: [1], model.layrs: [1]}}") ==
        "3:71 sweep.grid: a task has no field 'optimiser.lr' (did you mean 'optimizer.lr'?)\n"
        "3:90 sweep.grid: a task has no field 'lr' (did you mean 'optimizer.lr'?)\n"
        "3:99 sweep.grid: a task has no field 'model.layrs' (did you mean 'model.layers'?)\n");
  CHECK(wrong("{zip: {sweep: [1]}}") ==
        "3:70 sweep.zip: a task has no field 'sweep'; its fields: name, model, model.kind, model.preset, "
        "model.library, model.start_from, model.layers, model.heads, model.width, model.context, "
        "model.vocabulary, model.rotary, model.inputs, model.classes, model.image, model.channels, "
        "model.patch, model.mlp_width, model.pool, model.stages, model.options, data, data.kind, data.files, "
        "data.validation_files, data.samples, data.validation_fraction, data.validation_batches, arguments, "
        "same_speed, optimizer, "
        "optimizer.kind, optimizer.lr, "
        "optimizer.weight_decay, optimizer.beta1, optimizer.beta2, optimizer.epsilon, optimizer.clip, "
        "optimizer.schedule, optimizer.schedule.kind, optimizer.schedule.warmup_steps, "
        "optimizer.schedule.final_fraction, batch_size, micro_batch_size, precision, epochs, steps, seed, "
        "devices, across_nodes, "
        "parallelisms, checkpoint_every_steps, validate_every_steps, stop, stop.validation_loss, "
        "stop.patience, stop.min_improvement, stop.after\n");
  CHECK(wrong("{random: {count: 1, over: {model..layers: [1]}}}") ==
        "3:90 sweep.random.over: a task has no field 'model..layers' (did you mean 'model.layers'?)\n");
}

TEST_CASE("a sweep must be one of the three kinds, with something in it") {
  CHECK(wrong("{}") == "3:63 sweep: give 'grid', 'zip' or 'random'\n");
  CHECK(wrong("[1]") == "3:63 sweep must be a map (keys with values), not a list\n");
  CHECK(wrong("{gird: {optimizer.lr: [1]}}") == "3:64 sweep: unknown key 'gird' (did you mean 'grid'?)\n");
  CHECK(wrong("{grid: {}, zip: 3, random:}") ==
        "3:70 sweep.grid must be a map from fields to values, not an empty one\n"
        "3:79 sweep.zip must be a map from fields to values, not the number 3\n"
        "3:82 sweep.random must be a map (keys with values), not nothing\n");
  CHECK(wrong("{grid: {optimizer.lr: 1, seed: []}}") ==
        "3:85 sweep.grid: 'optimizer.lr' must be a list of values, not the number 1\n"
        "3:94 sweep.grid: 'seed' has no values\n");
}

TEST_CASE("the lists of a zip are equally long") {
  CHECK(wrong("{zip: {optimizer.lr: [1, 2], seed: [1], batch_size: [1, 2, 3]}}") ==
        "3:98 sweep.zip: 'seed' has a list of 1, but 'optimizer.lr' one of 2: they go in pairs\n"
        "3:115 sweep.zip: 'batch_size' has a list of 3, but 'optimizer.lr' one of 2: they go in pairs\n");
}

TEST_CASE("a field is swept once") {
  CHECK(wrong("{grid: {optimizer.lr: [1, 2]}, zip: {optimizer.lr: [3, 4]}}") ==
        "3:100 sweep: 'optimizer.lr' is swept twice (first on line 3)\n");
}

TEST_CASE("random sweeps are checked") {
  CHECK(wrong("{random: {}}") ==
        "3:72 sweep.random: missing key 'count'\n"
        "3:72 sweep.random: missing key 'over'\n");
  CHECK(wrong("{random: {count: 0, seed: -1, over: {optimizer.lr: {min: 2, max: 1}}, cuont: 1}}") ==
        "3:80 sweep.random: 'count' must be at least 1, not 0\n"
        "3:89 sweep.random: 'seed' must be at least 0, not -1\n"
        "3:120 sweep.random.over: 'min' is 2, more than max 1\n"
        "3:133 sweep.random: unknown key 'cuont' (did you mean 'count'?)\n");
  CHECK(wrong("{random: {count: 1, over: {optimizer.lr: {min: 0, max: 1, log: true}, seed: {min: 1, lgo: "
              "1}}}}") ==
        "3:110 optimizer: 'lr' must be more than 0\n"
        "3:110 sweep.random.over: 'min' must be more than 0 where log is true, not 0\n"
        "3:139 sweep.random.over: missing key 'max'\n"
        "3:148 sweep.random.over: unknown key 'lgo' (did you mean 'log'?)\n");
  CHECK(wrong("{random: {count: 1, over: {optimizer.lr: 3, seed: []}}}") ==
        "3:104 sweep.random.over: 'optimizer.lr' must be a list of values or {min, max}, not the number 3\n"
        "3:113 sweep.random.over: 'seed' has no values\n");
}

TEST_CASE("a random sweep cannot make more settings than there are") {
  CHECK(wrong("{random: {count: 7, over: {optimizer.lr: [1, 2, 3], seed: [1, 2]}}}") ==
        "3:80 sweep.random: 'count' is 7, but there are only 6 different settings\n");
}

TEST_CASE("a sweep cannot make millions of tasks") {
  std::string list = "[0";
  for (int i = 1; i < 101; ++i) list += "," + std::to_string(i);
  list += "]";
  CHECK(wrong("{grid: {seed: " + list + ", checkpoint_every_steps: " + list + "}}") ==
        "3:63 sweep: makes more than 10000 tasks\n");
  CHECK(problems("defaults: {model: {layers: 1, heads: 2, width: 8, context: 4}, data: {files: x}, "
                 "batch_size: 1, steps: 1,\n"
                 "  sweep: {grid: {seed: " +
                 list + ", validate_every_steps: " + list.substr(0, 200) +
                 "]}}}\n"
                 "tasks:\n  - {name: 'a{seed}-{validate_every_steps}'}\n  - {name: "
                 "'b{seed}-{validate_every_steps}'}\n") ==
        "5:12 task: with this sweep there are more than 10000 tasks\n");
}

TEST_CASE("bad values of a sweep are reported where they stand in it") {
  CHECK(wrong("{grid: {optimizer.lr: [1e-3, -1, x], model.heads: [2, 3]}}") ==
        "3:12 task: the sweep makes several tasks of the name 'a1e-3'; put what it changes into the name: "
        "NAME-{optimizer.lr}-{model.heads}\n"
        "3:92 optimizer: 'lr' must be at least 0, not -1\n"
        "3:96 optimizer: 'lr' must be a number, not the text 'x'\n"
        "3:117 model: 'heads' is 3, which does not divide width 8: every head gets an equal part\n");
}

TEST_CASE("the rest of a task is checked though its sweep is wrong") {
  CHECK(problems(with_task(
            "name: \"a{optimizer.lr}\", steps: 3, bacth: 1, sweep: {grid: {batch_size: [1], lr: [1]}}")) ==
        "3:41 task: unknown key 'bacth'; known keys: name, model, data, arguments, same_speed, optimizer, "
        "batch_size, "
        "micro_batch_size, precision, epochs, steps, seed, devices, across_nodes, parallelisms, "
        "checkpoint_every_steps, "
        "validate_every_steps, stop, sweep\n"
        "3:83 sweep.grid: a task has no field 'lr' (did you mean 'optimizer.lr'?)\n");
}

}  // namespace saturn::bad_sweep_test
