// SPDX-License-Identifier: Apache-2.0
#include "workload_text.h"

namespace saturn::bad_task_test {
using test::problems;
using test::with_task;

namespace {

/// What is wrong with a task of these keys after `name, batch_size, steps` (they end at column 41).
std::string wrong(const std::string& keys) {
  return problems(with_task("name: a, batch_size: 12, steps: 5, " + keys));
}

}  // namespace

TEST_CASE("missing keys of a task are named") {
  CHECK(problems("tasks:\n  - {}\n") ==
        "2:5 task: missing key 'batch_size'\n"
        "2:5 task: missing key 'data'\n"
        "2:5 task: missing key 'model'\n"
        "2:5 task: missing key 'name'\n"
        "2:5 task: missing key 'steps' (or 'epochs')\n");
  CHECK(problems("tasks:\n  - {name: a, model: {}, data: {}, batch_size: 1, steps: 1}\n") ==
        "2:22 model: missing key 'context'\n"
        "2:22 model: missing key 'heads'\n"
        "2:22 model: missing key 'layers'\n"
        "2:22 model: missing key 'width'\n"
        "2:32 data: missing key 'files'\n");
  CHECK(problems("tasks: [7, ~]\n") ==
        "1:9 task must be a map (keys with values), not the number 7\n"
        "1:12 task must be a map (keys with values), not nothing\n");
}

TEST_CASE("epochs or steps, exactly one, more than none") {
  CHECK(problems(with_task("name: a, batch_size: 1")) == "3:5 task: missing key 'steps' (or 'epochs')\n");
  CHECK(problems(with_task("name: a, batch_size: 1, steps: 1, epochs: 2")) ==
        "3:37 task: give 'epochs' or 'steps', not both\n");
  CHECK(problems(with_task("name: a, batch_size: 1, steps: 0")) ==
        "3:37 task: 'steps' must be more than 0\n");
  CHECK(problems(with_task("name: a, batch_size: 1, epochs: 0.0")) ==
        "3:38 task: 'epochs' must be more than 0\n");
  CHECK(problems(with_task("name: a, batch_size: 1, epochs: -1")) ==
        "3:38 task: 'epochs' must be at least 0, not -1\n");
  CHECK(problems(with_task("name: a, batch_size: 1, steps: 1.5")) ==
        "3:37 task: 'steps' must be a whole number, not the number 1.5\n");
}

TEST_CASE("negative, zero and huge amounts are refused") {
  CHECK(problems(with_task("name: a, batch_size: 0, steps: -1, micro_batch_size: -1, seed: -1,\n"
                           "     checkpoint_every_steps: -1, validate_every_steps: 1e30")) ==
        "3:27 task: 'batch_size' must be at least 1, not 0\n"
        "3:37 task: 'steps' must be at least 0, not -1\n"
        "3:59 task: 'micro_batch_size' must be at least 0, not -1\n"
        "3:69 task: 'seed' must be at least 0, not -1\n"
        "4:30 task: 'checkpoint_every_steps' must be at least 0, not -1\n"
        "4:56 task: 'validate_every_steps' must be at most 1000000000000, not 1e30\n");
  CHECK(
      problems(with_task("name: a, batch_size: 1e9, steps: 99999999999999999999, seed: 9223372036854775808,\n"
                         "     model: {layers: 1e5, heads: 0, width: -8, context: 1e12, vocabulary: 0}")) ==
      "3:27 task: 'batch_size' must be at most 1000000, not 1e9\n"
      "3:39 task: 'steps' must be at most 1000000000000, not 99999999999999999999\n"
      "3:67 task: 'seed' must be at most 9223372036854775807, not 9223372036854775808\n"
      "4:22 model: 'layers' must be at most 10000, not 1e5\n"
      "4:34 model: 'heads' must be at least 1, not 0\n"
      "4:44 model: 'width' must be at least 1, not -8\n"
      "4:57 model: 'context' must be at most 100000000, not 1e12\n"
      "4:75 model: 'vocabulary' must be at least 1, not 0\n");
}

TEST_CASE("sizes that do not divide are named together") {
  CHECK(wrong("micro_batch_size: 5") ==
        "3:59 task: 'micro_batch_size' is 5, which does not divide batch_size 12\n");
  CHECK(wrong("model: {heads: 3}") ==
        "3:56 model: 'heads' is 3, which does not divide width 8: every head gets an equal part\n");
}

TEST_CASE("text data needs a vocabulary of all bytes") {
  CHECK(wrong("model: {vocabulary: 255}") ==
        "3:61 model: 'vocabulary' must be at least 256 for text data (one token a byte), not 255\n");
}

TEST_CASE("the optimizer's values are checked") {
  CHECK(wrong("optimizer: {kind: sgd, lr: 0, weight_decay: -1, beta1: 1, beta2: 1.5, epsilon: 0, clip: -1,\n"
              "     schedule: {kind: cosin, warmup_steps: -1, final_fraction: 2}}") ==
        "3:59 optimizer: 'kind' must be adamw, not the text 'sgd'\n"
        "3:68 optimizer: 'lr' must be more than 0\n"
        "3:85 optimizer: 'weight_decay' must be at least 0, not -1\n"
        "3:96 optimizer: 'beta1' must be less than 1\n"
        "3:106 optimizer: 'beta2' must be at most 1, not 1.5\n"
        "3:120 optimizer: 'epsilon' must be more than 0\n"
        "3:129 optimizer: 'clip' must be at least 0, not -1\n"
        "4:23 optimizer.schedule: 'kind' must be one of constant, linear, cosine, not the text 'cosin' (did "
        "you mean 'cosine'?)\n"
        "4:44 optimizer.schedule: 'warmup_steps' must be at least 0, not -1\n"
        "4:64 optimizer.schedule: 'final_fraction' must be at most 1, not 2\n");
  CHECK(wrong("optimizer: {learning_rate: 1, betas: [1, 2], schedule: cosine}") ==
        "3:53 optimizer: unknown key 'learning_rate'; known keys: kind, lr, weight_decay, beta1, beta2, "
        "epsilon, clip, schedule\n"
        "3:71 optimizer: unknown key 'betas' (did you mean 'beta1'?)\n"
        "3:96 optimizer.schedule must be a map (keys with values), not the text 'cosine'\n");
}

TEST_CASE("the data's values are checked") {
  CHECK(wrong("data: {kind: txt, files: [], validation_fraction: 1, validation_batches: 0}") ==
        "3:54 data: 'kind' must be one of text, tokens, mnist, cifar10, safetensors, synthetic, not the text "
        "'txt' (did you mean 'text'?)\n"
        "3:66 data: 'files' is empty\n"
        "3:91 data: 'validation_fraction' must be less than 1\n"
        "3:114 data: 'validation_batches' must be at least 1, not 0\n");
  CHECK(wrong("data: {files: {a: 1}, validation_fraction: -0.1}") ==
        "3:55 data: 'files' must be a list of texts, not a map\n"
        "3:84 data: 'validation_fraction' must be at least 0, not -0.1\n");
  CHECK(wrong("data: {files: [[x], 3]}") == "3:56 data: an item of 'files' must be a text, not a list\n");
}

TEST_CASE("device counts are whole numbers above zero") {
  CHECK(wrong("devices: [0, 1.5, two, 99999999]") ==
        "3:51 task: an item of 'devices' must be at least 1, not 0\n"
        "3:54 task: an item of 'devices' must be a whole number, not the number 1.5\n"
        "3:59 task: an item of 'devices' must be a whole number, not the text 'two'\n"
        "3:64 task: an item of 'devices' must be at most 1000000, not 99999999\n");
  CHECK(wrong("across_nodes: 0") == "3:55 task: 'across_nodes' must be at least 1, not 0\n");
  CHECK(wrong("devices: {a: 1}") == "3:50 task: 'devices' must be a list of whole numbers, not a map\n");
}

TEST_CASE("wrong types are named with what stands there") {
  CHECK(wrong("model: 3, optimizer: [1], data: x, parallelisms: {a: 1}, seed: \"1\"") ==
        "3:48 model must be a map (keys with values), not the number 3\n"
        "3:62 optimizer must be a map (keys with values), not a list\n"
        "3:73 data must be a map (keys with values), not the text 'x'\n"
        "3:90 task: 'parallelisms' must be a list of texts, not a map\n"
        "3:104 task: 'seed' must be a whole number, not the text '1'\n");
}

TEST_CASE("unknown and doubled keys say what was meant") {
  CHECK(wrong("batchsize: 3, steps: 6, Sweep: 1, colour: red") ==
        "3:41 task: unknown key 'batchsize' (did you mean 'batch_size'?)\n"
        "3:55 task: key 'steps' is given twice (first on line 3)\n"
        "3:65 task: unknown key 'Sweep' (did you mean 'sweep'?)\n"
        "3:75 task: unknown key 'colour'; known keys: name, model, data, arguments, same_speed, optimizer, "
        "batch_size, "
        "micro_batch_size, precision, epochs, steps, seed, devices, across_nodes, parallelisms, "
        "checkpoint_every_steps, "
        "validate_every_steps, stop, sweep\n");
}

TEST_CASE("names are checked as they come out") {
  CHECK(problems(with_task("name: \"a/{batch_size}\", batch_size: 1, steps: 1")) ==
        "3:12 task: name: 'a/1' has '/' in it (it names a directory: letters, digits and . _ + = - only)\n");
  CHECK(problems(with_task("name: \"a{model.layer}\", batch_size: 1, steps: 1")) ==
        "3:12 task: name: a task has no field 'model.layer' (did you mean 'model.layers'?)\n");
  CHECK(problems(with_task("name: \"a{lr}\", batch_size: 1, steps: 1")) ==
        "3:12 task: name: a task has no field 'lr' (did you mean 'optimizer.lr'?)\n");
  CHECK(problems(with_task("name: \"a{model}\", batch_size: 1, steps: 1")) ==
        "3:12 task: name: '{model}' is a map; name one field of it\n");
  CHECK(problems(with_task("name: \"a{name}\", batch_size: 1, steps: 1")) ==
        "3:12 task: name: '{name}' cannot stand in the name itself\n");
  CHECK(problems(with_task("name: \"a{batch_size\", batch_size: 1, steps: 1")) ==
        "3:12 task: name: 'a{batch_size' has a '{' without its '}'\n");
  CHECK(problems(with_task("name: [a], batch_size: 1, steps: 1")) ==
        "3:12 task: 'name' must be a text, not a list\n");
  CHECK(problems(with_task("name: '', batch_size: 1, steps: 1")) == "3:12 task: name: must not be empty\n");
}

TEST_CASE("two tasks of one name are reported with both places") {
  CHECK(problems(with_task("name: a, batch_size: 1, steps: 1}\n  - {batch_size: 1, steps: 2, name: a")) ==
        "4:37 task: the name 'a' is taken by the task on line 3\n");
  CHECK(problems(with_task(
            "name: a, batch_size: 1, steps: 1, sweep: {grid: {optimizer.lr: [1, 2], seed: [1, 2]}}")) ==
        "3:12 task: the sweep makes several tasks of the name 'a'; put what it changes into the name: "
        "NAME-{optimizer.lr}-{seed}\n");
  CHECK(problems("defaults: {name: a, model: {layers: 1, heads: 2, width: 8, context: 4}, data: {files: x}, "
                 "batch_size: 1}\n"
                 "tasks:\n  - {steps: 1}\n  - {steps: 2}\n") ==
        "4:5 task: the name 'a' is taken by the task on line 3\n");
}

}  // namespace saturn::bad_task_test
