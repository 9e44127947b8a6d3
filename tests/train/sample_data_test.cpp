// SPDX-License-Identifier: Apache-2.0
// Data kinds besides text, as the worker makes batches of them.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <cmath>
#include <doctest/doctest.h>
#include <set>

#include "base/error.h"
#include "data_files.h"
#include "temporary_directory.h"
#include "train/data.h"

namespace saturn::sample_data_test {
using namespace saturn::test;

namespace {

struct Folder {
  std::string add(const std::string& name, const std::string& bytes) const {
    write_file_atomically(directory / name, bytes);
    return (directory / name).string();
  }
  TemporaryDirectory directory;
};

TaskSpec task_of(const std::string& kind, const std::vector<std::string>& files) {
  TaskSpec task;
  task.name = "t";
  task.batch_size = 4;
  task.seed = 5;
  task.data.kind = kind;
  task.data.files = files;
  task.data.validation_fraction = 0.25;
  return task;
}

ModelSpec mlp(std::int64_t inputs, std::int64_t classes) {
  ModelSpec model;
  model.kind = "mlp";
  model.mlp = {inputs, 1, 4, classes};
  return model;
}

ModelSpec vit(std::int64_t image, std::int64_t channels) {
  ModelSpec model;
  model.kind = "vit";
  model.vit = {image, channels, image, 1, 1, 8, 0, 10, "cls"};
  return model;
}

std::string refusal(const TaskSpec& task, std::int64_t step = 0) {
  try {
    (void)open_data(task)->training_batch(step).slice(0, task.batch_size);
    return "";
  } catch (const InputError& error) {
    return error.diagnostics().front().message;
  }
}

std::vector<std::int64_t> whole(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous().view(-1);
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

}  // namespace

TEST_CASE("tokens: rows across files of all forms, targets one token further") {
  const Folder folder;
  std::vector<std::uint16_t> tokens(41);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::uint16_t>(1000 + i);
  const std::vector<std::uint16_t> first(tokens.begin(), tokens.begin() + 15),
      second(tokens.begin() + 15, tokens.begin() + 30);
  const std::vector<std::uint32_t> third(tokens.begin() + 30, tokens.end());
  TaskSpec task =
      task_of("tokens", {folder.add("a.bin", bytes_of(first)), folder.add("b.bin", llmc_tokens(second, 15)),
                         folder.add("c.bin", llmc_tokens(third, 11))});
  task.model.gpt = {1, 1, 8, 4, 2000};
  task.data.validation_files = {
      folder.add("val.bin", bytes_of(std::vector<std::uint16_t>{7, 8, 9, 10, 11, 12}))};
  const auto data = open_data(task);
  std::set<std::int64_t> starts;
  for (std::int64_t step = 0; step < 5; ++step) {
    const Batch batch = data->training_batch(step).slice(0, 4);
    for (std::int64_t row = 0; row < 4; ++row) {
      const std::vector<std::int64_t> inputs = whole(batch.inputs[row]), targets = whole(batch.targets[row]);
      for (std::int64_t i = 0; i < 4; ++i) {
        CHECK(inputs[static_cast<std::size_t>(i)] == inputs[0] + i);
        CHECK(targets[static_cast<std::size_t>(i)] == inputs[0] + i + 1);
      }
      CHECK((inputs[0] - 1000) % 4 == 0);
      starts.insert(inputs[0]);
    }
  }
  CHECK(starts.size() == 10);  // (41 - 1) / 4: own validation files leave all of it for training
  REQUIRE(data->validation_batches() == 1);
  CHECK(whole(data->validation_batch(0).slice(0, 1).inputs) == std::vector<std::int64_t>{7, 8, 9, 10});
}

TEST_CASE("tokens of uint32 that no uint16 holds") {
  const Folder folder;
  const std::vector<std::uint32_t> tokens(64, 128000);
  TaskSpec task = task_of("tokens", {folder.add("a.bin", llmc_tokens(tokens, 64))});
  task.model.gpt = {1, 1, 8, 4, 128256};
  const Batch batch = open_data(task)->training_batch(0).slice(0, 1);
  CHECK(whole(batch.inputs) == std::vector<std::int64_t>(4, 128000));
  CHECK(whole(batch.targets) == std::vector<std::int64_t>(4, 128000));
}

TEST_CASE("tokens that the model does not have are named with their place") {
  const Folder folder;
  std::vector<std::uint16_t> tokens(64, 5);
  tokens[3] = 777;
  TaskSpec task = task_of("tokens", {folder.add("a.bin", bytes_of(tokens))});
  task.model.gpt = {1, 1, 8, 4, 700};
  std::string message;
  for (std::int64_t step = 0; step < 3 && message.empty(); ++step) message = refusal(task, step);
  CHECK(message ==
        (folder.directory / "a.bin").string() + ": number 3 is 777, and the model has 700 different ones");
}

TEST_CASE("cifar10: bytes scaled to -1 .. 1, labels, the held-out end") {
  const Folder folder;
  TaskSpec task =
      task_of("cifar10", {folder.add("a.bin", cifar_records(8)), folder.add("b.bin", cifar_records(8))});
  task.model = vit(32, 3);
  const auto data = open_data(task);
  const Batch batch = data->training_batch(0).slice(0, 4);
  CHECK(batch.inputs.sizes() == at::IntArrayRef({4, 3, 32, 32}));
  CHECK((batch.inputs.scalar_type() == at::kFloat));
  CHECK(batch.targets.sizes() == at::IntArrayRef({4}));
  for (std::int64_t row = 0; row < 4; ++row) {
    const auto label =
        batch.targets[row].item<std::int64_t>();  // record i has label i and pixels i, i + 1, ...
    for (const std::int64_t pixel : {0, 1, 1024, 3071})
      CHECK(batch.inputs[row].view(-1)[pixel].item<float>() ==
            doctest::Approx(static_cast<double>((label + pixel) % 256) / 127.5 - 1).epsilon(1e-6));
  }
  // 16 records, 4 held out: the last four of the second file.
  REQUIRE(data->validation_batches() == 1);
  CHECK(whole(data->validation_batch(0).slice(0, 4).targets) == std::vector<std::int64_t>{4, 5, 6, 7});
}

TEST_CASE("mnist: samples of one channel; every sample once in an epoch") {
  const Folder folder;
  std::string pixels, labels;
  for (int i = 0; i < 16; ++i)
    pixels += std::string(4, static_cast<char>(i)), labels += static_cast<char>(i % 10);
  TaskSpec task = task_of(
      "mnist", {folder.add("labels", idx({16}, labels)), folder.add("images", idx({16, 2, 2}, pixels))});
  task.model = vit(2, 1);
  const auto data = open_data(task);
  std::multiset<std::int64_t> seen;
  for (std::int64_t step = 0; step < 3; ++step) {
    const Batch batch = data->training_batch(step).slice(0, 4);
    CHECK(batch.inputs.sizes() == at::IntArrayRef({4, 1, 2, 2}));
    for (std::int64_t row = 0; row < 4; ++row) {
      const auto byte =
          static_cast<std::int64_t>(std::lround((batch.inputs[row].view(-1)[0].item<double>() + 1) * 127.5));
      CHECK(batch.targets[row].item<std::int64_t>() == byte % 10);
      seen.insert(byte);
    }
  }
  CHECK(seen.size() == 12);
  CHECK(std::set<std::int64_t>(seen.begin(), seen.end()).size() == 12);
  CHECK(*seen.rbegin() == 11);
}

TEST_CASE("labels that the model does not have are named with their place") {
  const Folder folder;
  std::string records = cifar_records(16);
  records[0] = 11;
  TaskSpec task = task_of("cifar10", {folder.add("a.bin", records)});
  task.model = vit(32, 3);
  std::string message;
  for (std::int64_t step = 0; step < 3 && message.empty(); ++step) message = refusal(task, step);
  CHECK(message == (folder.directory / "a.bin").string() +
                       ": the label of sample 0 is 11, and the model has 10 classes");
}

TEST_CASE("safetensors: numbers of any type by value") {
  const Folder folder;
  const auto first = [&](const std::string& dtype, const std::string& bytes) {
    TaskSpec task = task_of(
        "safetensors", {folder.add(dtype, safetensors({{"inputs", dtype, {2, 2}, bytes},
                                                       {"labels", "U8", {2}, std::string("\x01\x01", 2)}}))});
    task.model = mlp(2, 2);
    task.data.validation_fraction = 0;
    task.batch_size = 2;
    const at::Tensor inputs = open_data(task)->training_batch(0).slice(0, 2).inputs;
    const bool exact = inputs.scalar_type() == at::kDouble;
    CHECK(exact == (dtype == "F64"));
    return inputs.to(at::kDouble).sum(0);
  };
  const auto is = [](const at::Tensor& sums, double left, double right) {
    CHECK(sums[0].item<double>() == doctest::Approx(left));
    CHECK(sums[1].item<double>() == doctest::Approx(right));
  };
  is(first("F32", bytes_of<float>({1, 2, 3, 4.5F})), 4, 6.5);
  is(first("F64", bytes_of<double>({1, 2, 3, 4.5})), 4, 6.5);
  is(first("F16", bytes_of<std::uint16_t>({0x3c00, 0x4000, 0x4200, 0x4480})), 4, 6.5);
  is(first("BF16", bytes_of<std::uint16_t>({0x3f80, 0x4000, 0x4040, 0x4090})), 4, 6.5);
  is(first("U8", std::string("\x00\xff\x00\xff", 4)), -2, 2);
}

TEST_CASE("safetensors: rows of tokens with their own targets") {
  const Folder folder;
  TaskSpec task = task_of(
      "safetensors",
      {folder.add("x",
                  safetensors({{"inputs", "I32", {2, 3}, bytes_of<std::int32_t>({1, 2, 3, 4, 5, 6})},
                               {"labels", "I64", {2, 3}, bytes_of<std::int64_t>({7, 8, 9, 10, 11, 12})}}))});
  task.model.gpt = {1, 1, 8, 4, 20};
  task.data.validation_fraction = 0;
  task.batch_size = 2;
  const Batch batch = open_data(task)->training_batch(0).slice(0, 2);
  CHECK(at::equal(batch.inputs + 6, batch.targets));
  CHECK(batch.inputs.sum().item<std::int64_t>() == 21);
  task.model.gpt.vocabulary = 12;
  CHECK(refusal(task) == "task 't': model: 'vocabulary' must be at least 13 for safetensors data, not 12");
}

TEST_CASE("synthetic data: of the model's form, by seed and row alone, other held-out rows") {
  TaskSpec task = task_of("synthetic", {});
  task.data.samples = 40;
  task.model.gpt = {1, 1, 8, 64, 100};
  const auto data = open_data(task), again = open_data(task);
  const Batch batch = data->training_batch(3).slice(0, 4);
  CHECK(batch.inputs.sizes() == at::IntArrayRef({4, 64}));
  CHECK(at::equal(batch.inputs, again->training_batch(3).slice(0, 4).inputs));
  CHECK(at::equal(batch.inputs.slice(1, 1), batch.targets.slice(1, 0, -1)));
  CHECK(batch.inputs.ge(0).logical_and(batch.inputs.lt(100)).all().item<bool>());
  // Most next tokens follow from the one before.
  const at::Tensor follows = batch.targets.eq(batch.inputs.mul(5).add(3).remainder(100));
  CHECK(follows.to(at::kDouble).mean().item<double>() > 0.75);
  CHECK(follows.to(at::kDouble).mean().item<double>() < 0.98);
  CHECK(data->validation_batches() == 3);
  CHECK_FALSE(at::equal(data->validation_batch(0).slice(0, 4).inputs, batch.inputs));
  task.seed = 6;
  CHECK_FALSE(at::equal(batch.inputs, open_data(task)->training_batch(3).slice(0, 4).inputs));

  task.model = vit(8, 3);
  const Batch images = open_data(task)->training_batch(0).slice(0, 4);
  CHECK(images.inputs.sizes() == at::IntArrayRef({4, 3, 8, 8}));
  CHECK(images.inputs.abs().max().item<double>() <= 1);
  CHECK(images.targets.lt(10).all().item<bool>());
  task.model = mlp(7, 3);
  CHECK(open_data(task)->training_batch(0).slice(0, 4).inputs.sizes() == at::IntArrayRef({4, 7}));
}

TEST_CASE("the data's signature names kind, sizes and what is held out") {
  const Folder folder;
  TaskSpec task = task_of("cifar10", {folder.add("a.bin", cifar_records(2))});
  CHECK(data_signature(task) == "cifar10 of 6146 bytes, 0.25 held out, batches of 4");
  task.data.validation_files = task.data.files;
  CHECK(data_signature(task) == "cifar10 of 6146 bytes, 6146 bytes held out, batches of 4");
  task.data.kind = "synthetic";
  task.data.validation_files = {};
  CHECK(data_signature(task) == "synthetic of 65536 samples, 0.25 held out, batches of 4");
}

}  // namespace saturn::sample_data_test
