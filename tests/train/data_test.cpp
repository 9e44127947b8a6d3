// SPDX-License-Identifier: Apache-2.0
#include "train/data.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <doctest/doctest.h>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "temporary_directory.h"

namespace saturn::data_test {

namespace {

/// Byte i of the text is text_byte(i): every place can be told from its neighbours.
char text_byte(std::size_t i) {
  return static_cast<char>((i * 2654435761U) >> 7 ^ (i * i * 40503U) >> 5);
}

/// A task over files of these sizes.
TaskSpec task_over(const test::TemporaryDirectory& directory, const std::vector<std::size_t>& sizes) {
  TaskSpec task;
  task.name = "t";
  task.model.gpt = {1, 1, 8, 16, 256};
  task.batch_size = 3;
  task.seed = 11;
  task.data.validation_fraction = 0.2;
  task.data.validation_batches = 2;
  std::size_t place = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string path = (directory / ("part" + std::to_string(i))).string();
    std::ofstream out(path, std::ios::binary);
    for (std::size_t j = 0; j < sizes[i]; ++j) out.put(text_byte(place++));
    task.data.files.push_back(path);
  }
  return task;
}

std::vector<std::int64_t> values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous().view(-1);
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

/// Where in the text a row begins; -1 when it is nowhere a run of it.
std::int64_t place_of(const at::Tensor& row, std::int64_t size) {
  const std::vector<std::int64_t> tokens = values(row);
  for (std::int64_t from = 0; from + static_cast<std::int64_t>(tokens.size()) <= size; ++from) {
    bool same = true;
    for (std::size_t i = 0; i < tokens.size() && same; ++i)
      same = tokens[i] == static_cast<unsigned char>(text_byte(static_cast<std::size_t>(from) + i));
    if (same) return from;
  }
  return -1;
}

std::string refusal(const TaskSpec& task) {
  try {
    (void)open_data(task);
  } catch (const InputError& error) {
    return error.diagnostics().front().message;
  }
  return "";
}

}  // namespace

TEST_CASE("rows are blocks of the text across file boundaries, targets one token further") {
  const test::TemporaryDirectory directory;
  const auto data = open_data(task_over(directory, {100, 0, 7, 393}));  // 400 for training: 24 blocks
  std::set<std::int64_t> places;
  for (std::int64_t step = 0; step < 8; ++step) {
    const Batch batch = data->training_batch(step).slice(0, 3);
    CHECK(batch.inputs.sizes() == at::IntArrayRef({3, 16}));
    CHECK((batch.inputs.scalar_type() == at::kLong));
    for (std::int64_t row = 0; row < 3; ++row) {
      const std::int64_t place = place_of(batch.inputs[row], 500);
      CHECK(place % 16 == 0);
      CHECK(place + 17 <= 400);
      CHECK(place_of(batch.targets[row], 500) == place + 1);
      places.insert(place);
    }
  }
  CHECK(places.size() == 24);  // one pass: every block once
}

TEST_CASE("a batch is a function of seed and step, and its parts are those of the whole") {
  const test::TemporaryDirectory directory;
  TaskSpec task = task_over(directory, {500});
  const auto data = open_data(task), again = open_data(task);
  const Batch whole = data->training_batch(5).slice(0, 3);
  CHECK(at::equal(whole.inputs, again->training_batch(5).slice(0, 3).inputs));
  const Batch first = data->training_batch(5).slice(0, 1), rest = data->training_batch(5).slice(1, 3);
  CHECK(at::equal(whole.inputs, at::cat({first.inputs, rest.inputs})));
  CHECK(at::equal(whole.targets, at::cat({first.targets, rest.targets})));
  CHECK_FALSE(at::equal(whole.inputs, data->training_batch(6).slice(0, 3).inputs));
  task.seed = 12;
  CHECK_FALSE(at::equal(whole.inputs, open_data(task)->training_batch(5).slice(0, 3).inputs));
}

TEST_CASE("validation batches are of the held-out end, spread over it, and do not depend on the seed") {
  const test::TemporaryDirectory directory;
  TaskSpec task = task_over(directory, {1000});  // 200 held out: 12 blocks
  const auto data = open_data(task);
  REQUIRE(data->validation_batches() == 2);
  std::vector<std::int64_t> places;
  for (std::int64_t index = 0; index < 2; ++index)
    for (std::int64_t row = 0; row < 3; ++row) {
      places.push_back(place_of(data->validation_batch(index).slice(row, row + 1).inputs[0], 1000));
      CHECK(places.back() >= 800);
    }
  CHECK(places == std::vector<std::int64_t>{800, 832, 864, 896, 928, 960});
  task.seed = 99;
  CHECK(at::equal(open_data(task)->validation_batch(1).slice(0, 3).inputs,
                  data->validation_batch(1).slice(0, 3).inputs));
}

TEST_CASE("a small held-out part gives fewer batches, the last one filled up from the start") {
  const test::TemporaryDirectory directory;
  TaskSpec task = task_over(directory, {400});  // 80 held out: 4 blocks
  const auto data = open_data(task);
  REQUIRE(data->validation_batches() == 2);
  const Batch last = data->validation_batch(1).slice(0, 3);
  CHECK(place_of(last.inputs[0], 400) == 320 + 48);
  CHECK(at::equal(last.inputs.slice(0, 1), data->validation_batch(0).slice(0, 2).inputs));
  task.data.validation_fraction = 0;
  CHECK(open_data(task)->validation_batches() == 0);
}

TEST_CASE("data that cannot be trained on is refused with its sizes") {
  const test::TemporaryDirectory directory;
  CHECK(refusal(task_over(directory, {10, 10})) ==
        "task 't': data: the training part has 16 tokens; one block takes 17 (context 16 and the token after "
        "it)");
  CHECK(refusal(task_over(directory, {0})) ==
        "task 't': data: the training part has 0 tokens; one block takes 17 (context 16 and the token after "
        "it)");
  CHECK(refusal(task_over(directory, {80})) ==
        "task 't': data: the held-out part has 16 tokens; one block takes 17 (context 16 and the token after "
        "it)");
  TaskSpec task = task_over(directory, {500});
  task.model.gpt.vocabulary = 100;
  CHECK(refusal(task) ==
        "task 't': model: 'vocabulary' must be at least 256 for text data (one token a byte), not 100");
  task = task_over(directory, {500});
  task.data.kind = "images";
  CHECK(refusal(task) == "there is no data kind 'images'");
}

TEST_CASE("a data file that is gone is named") {
  const test::TemporaryDirectory directory;
  TaskSpec task = task_over(directory, {500});
  task.data.files.push_back((directory / "gone").string());
  CHECK_THROWS_WITH_AS(
      open_data(task),
      ("cannot read " + (directory / "gone").string() + ": No such file or directory").c_str(), SystemError);
}

TEST_CASE("a data file that is a directory cannot be read") {
  const test::TemporaryDirectory directory;
  TaskSpec task = task_over(directory, {500});
  task.data.files.push_back(directory.path().string());
  CHECK_THROWS_WITH_AS(open_data(task),
                       ("cannot read " + directory.path().string() + ": it is not a regular file").c_str(),
                       SystemError);
}

}  // namespace saturn::data_test
