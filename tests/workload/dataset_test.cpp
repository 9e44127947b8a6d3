// SPDX-License-Identifier: Apache-2.0
#include "workload/dataset.h"

#include <doctest/doctest.h>

#include "data_files.h"
#include "temporary_directory.h"

namespace saturn::dataset_test {
using namespace saturn::test;

namespace {

using Texts = std::vector<std::string>;

/// Files of one kind in a folder of their own.
struct Folder {
  std::string add(const std::string& name, const std::string& bytes) const {
    write_file_atomically(directory / name, bytes);
    return (directory / name).string();
  }
  Dataset read(const std::string& kind, const Texts& files, const Texts& validation = {}) const {
    DataSpec spec;
    spec.kind = kind;
    spec.files = files;
    spec.validation_files = validation;
    return read_dataset(spec);
  }
  /// The message, with the folder's path as DIR.
  std::string problem(const std::string& kind, const Texts& files) const {
    try {
      (void)read(kind, files);
      return "";
    } catch (const InputError& error) {
      std::string text = error.diagnostics().front().message;
      const std::string path = directory.path().string();
      for (size_t at = text.find(path); at != std::string::npos; at = text.find(path))
        text.replace(at, path.size(), "DIR");
      return text;
    }
  }
  TemporaryDirectory directory;
};

const std::vector<std::uint16_t> kTokens{1, 2, 300, 50256, 7};
const std::vector<std::uint32_t> kWideTokens{1, 128000, 70000};

}  // namespace

TEST_CASE("token files: nanoGPT's are numbers and nothing else, llm.c's have a header") {
  const Folder folder;
  const std::string plain = folder.add("plain.bin", bytes_of(kTokens));
  const std::string headed = folder.add("headed.bin", llmc_tokens(kTokens, 5));
  const std::string wide = folder.add("wide.bin", llmc_tokens(kWideTokens, 3));
  const Dataset dataset = folder.read("tokens", {plain, headed, wide}, {plain});
  CHECK((dataset.content.form == Content::Form::kStream));
  CHECK(size_of(dataset.training) == 13);
  CHECK(size_of(dataset.validation) == 5);
  CHECK(dataset.training[0].inputs.begin == 0);
  CHECK(dataset.training[1].inputs.begin == 1024);
  CHECK(dataset.training[1].inputs.dtype == "U16");
  CHECK(dataset.training[2].inputs.begin == 1024);
  CHECK(dataset.training[2].inputs.stride == 4);
  CHECK(dataset.training[2].inputs.dtype == "U32");
}

TEST_CASE("token files that are none") {
  const Folder folder;
  CHECK(folder.problem("tokens", {folder.add("odd", "abc")}) ==
        "DIR/odd: has 3 bytes, which are no whole number of uint16 tokens");
  CHECK(folder.problem("tokens", {folder.add("short", llmc_tokens(kTokens, 6))}) ==
        "DIR/short: its header says 6 tokens, and there is room for 5");
  CHECK(folder.problem("tokens", {folder.add("new", llmc_tokens(kTokens, 5, 7))}) ==
        "DIR/new: is an llm.c token file (magic 20240520) of version 7; version 1 can be read");
  CHECK(folder.problem("tokens", {folder.add("wide", llmc_tokens(kWideTokens, 3, 1))}) ==
        "DIR/wide: is an llm.c token file (magic 20240801) of version 1; version 7 can be read");
  CHECK(folder.problem("tokens", {folder.add("cut", llmc_tokens(kWideTokens, 4))}) ==
        "DIR/cut: its header says 4 tokens, and there is room for 3");
  CHECK(folder.problem("tokens", {folder.add("packed", "\x1f\x8b  ")}) ==
        "DIR/packed: is compressed; unpack it first (gunzip)");
}

TEST_CASE("mnist: images and labels in any order, shapes and classes out of the files") {
  const Folder folder;
  const std::string images = folder.add("images", idx({3, 2, 2}, "abcdefghijkl"));
  const std::string labels = folder.add("labels", idx({3}, std::string("\x00\x06\x02", 3)));
  const Dataset dataset = folder.read("mnist", {labels, images}, {images, labels});
  CHECK((dataset.content.form == Content::Form::kSamples));
  CHECK(dataset.content.shape == std::vector<std::int64_t>{1, 2, 2});
  CHECK(dataset.content.classes == 7);
  REQUIRE(dataset.training.size() == 1);
  CHECK(dataset.training[0].count == 3);
  CHECK(dataset.training[0].inputs.file == images);
  CHECK(dataset.training[0].inputs.begin == 16);
  CHECK(dataset.training[0].inputs.stride == 4);
  CHECK(dataset.training[0].labels.begin == 8);
  CHECK(size_of(dataset.validation) == 3);
}

TEST_CASE("mnist files that are none") {
  const Folder folder;
  const std::string images = folder.add("images", idx({3, 2, 2}, "abcdefghijkl"));
  const std::string labels = folder.add("labels", idx({3}, std::string("\x00\x06\x02", 3)));
  CHECK(folder.problem("mnist", {images}) ==
        "there are 1 files of images and 0 of labels; each file of images has one");
  CHECK(folder.problem("mnist", {images, folder.add("two", idx({2}, "ab"))}) ==
        "DIR/two: has 2 labels, and DIR/images has 3 images");
  CHECK(folder.problem("mnist", {folder.add("cut", idx({3, 2, 2}, "abc")), labels}) ==
        "DIR/cut: has 19 bytes, and its header says 3 items of other sizes");
  CHECK(
      folder.problem("mnist", {folder.add("text", "some text"), labels}) ==
      "DIR/text: is no idx file of unsigned bytes (images begin with 00 00 08 03, labels with 00 00 08 01)");
  CHECK(folder.problem("mnist", {folder.add("head", idx({3, 2, 2}, "").substr(0, 9)), labels}) ==
        "DIR/head: ends within its header");
  const std::string other = folder.add("other", idx({3, 1, 4}, "abcdefghijkl"));
  CHECK(folder.problem("mnist", {images, labels, other, folder.add("more", idx({3}, "abc"))}) ==
        "DIR/other: has samples of 1 x 1 x 4 and the files before it of 1 x 2 x 2");
}

TEST_CASE("an idx header with huge sizes does not overflow") {
  const Folder folder;
  const std::int64_t huge = 0xffffffff;
  CHECK(folder.problem("mnist", {folder.add("huge", idx({huge, huge, huge}, "x"))}) ==
        "DIR/huge: has 17 bytes, and its header says 4294967295 items of other sizes");
}

TEST_CASE("cifar10: records of a label and 3 x 32 x 32 bytes") {
  const Folder folder;
  const Dataset dataset = folder.read("cifar10", {folder.add("batch.bin", cifar_records(4))});
  CHECK(dataset.content.shape == std::vector<std::int64_t>{3, 32, 32});
  CHECK(dataset.content.classes == 10);
  CHECK(size_of(dataset.training) == 4);
  CHECK(dataset.training[0].inputs.begin == 1);
  CHECK(dataset.training[0].inputs.stride == 3073);
  CHECK(dataset.training[0].labels.begin == 0);
  CHECK(folder.problem("cifar10", {folder.add("cut.bin", cifar_records(1).substr(1))}) ==
        "DIR/cut.bin: has 3072 bytes, which are no whole number of CIFAR-10 records of 3073");
}

TEST_CASE("safetensors: samples with a class each, or tokens with their targets") {
  const Folder folder;
  const std::string samples =
      folder.add("samples", safetensors({{"inputs", "F32", {2, 3, 1}, std::string(24, 'x')},
                                         {"labels", "I64", {2}, bytes_of<std::int64_t>({4, 1})}}));
  const Dataset dataset = folder.read("safetensors", {samples});
  CHECK((dataset.content.form == Content::Form::kSamples));
  CHECK(dataset.content.shape == std::vector<std::int64_t>{3, 1});
  CHECK(dataset.content.classes == 5);
  CHECK(dataset.training[0].inputs.stride == 12);
  CHECK(dataset.training[0].inputs.dtype == "F32");
  const std::string tokens =
      folder.add("tokens", safetensors({{"inputs", "I32", {2, 2}, bytes_of<std::int32_t>({1, 2, 3, 4})},
                                        {"labels", "I32", {2, 2}, bytes_of<std::int32_t>({2, 3, 4, 8})}}));
  const Dataset rows = folder.read("safetensors", {tokens});
  CHECK((rows.content.form == Content::Form::kTokens));
  CHECK(rows.content.shape == std::vector<std::int64_t>{2});
  CHECK(rows.content.vocabulary == 9);
}

TEST_CASE("safetensors files that are none, or without the two tensors") {
  const Folder folder;
  const FakeTensor inputs{"inputs", "F32", {2, 3}, std::string(24, 'x')};
  const auto problem = [&](const std::vector<FakeTensor>& tensors) {
    return folder.problem("safetensors", {folder.add("x", safetensors(tensors))});
  };
  CHECK(problem({inputs}) == "DIR/x: has no tensor 'labels'");
  CHECK(problem({inputs, {"labels", "F32", {2}, std::string(8, 'x')}}) ==
        "DIR/x: 'inputs' is F32 [2, 3], 'labels' is F32 [2]: labels are whole numbers");
  CHECK(problem({inputs, {"labels", "U8", {3}, "abc"}}) ==
        "DIR/x: 'inputs' is F32 [2, 3], 'labels' is U8 [3]: the first dimension of both is the number of "
        "samples");
  CHECK(problem({{"inputs", "I64", {1, 2}, std::string(16, '\0')}, {"labels", "U8", {1}, "a"}}) ==
        "DIR/x: 'inputs' is I64 [1, 2], 'labels' is U8 [1]: whole numbers are rows of tokens, [samples, "
        "length], "
        "with a target for each");
  CHECK(problem({inputs, {"labels", "I64", {2}, bytes_of<std::int64_t>({0, -1})}}) == "DIR/x: label 1 is -1");
  CHECK(folder.problem("safetensors", {folder.add("y", "no such file")}).starts_with("DIR/y: "));
}

TEST_CASE("a fraction or files of their own are held out, in tokens or samples") {
  const DataSplit tokens = split_data(1000, 0.1, 64);
  CHECK(tokens.training_rows == 14);
  CHECK(tokens.validation_rows == 1);
  const DataSplit samples = split_data(1000, 0.1, 0);
  CHECK(samples.training_rows == 900);
  CHECK(samples.validation_rows == 100);
  CHECK(steps_in_epochs(samples, 2, 32, 0) == 56);
  DataSpec spec;
  spec.kind = "synthetic";
  spec.samples = 50;
  CHECK(split_of(spec, {}, 0).validation_rows == 2);
  spec.validation_fraction = 0;
  CHECK_FALSE(holds_out(spec));
  spec.validation_files = {"x"};
  CHECK(holds_out(spec));
}

}  // namespace saturn::dataset_test
