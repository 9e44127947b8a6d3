// SPDX-License-Identifier: Apache-2.0
#include "workload/model_spec.h"

#include <nlohmann/json.hpp>

#include "data_files.h"
#include "temporary_directory.h"
#include "workload_text.h"

namespace saturn::model_spec_test {
using test::problems;

namespace {

/// A workload whose task has this model (from column 23 of line 2 on) and synthetic data.
std::string with_model(const std::string& model, const std::string& more = "") {
  return "tasks: [{name: a, batch_size: 4, steps: 9, data: {kind: synthetic},\n       model: {" + model +
         "}" + more + "}]\n";
}

ModelSpec read(const std::string& model) {
  return test::parse(with_model(model)).tasks.at(0).model;
}

std::string wrong(const std::string& model) {
  return problems(with_model(model));
}

const std::string kVit = "kind: vit, image: 32, patch: 4, layers: 2, heads: 2, width: 8, classes: 10";

}  // namespace

TEST_CASE("every kind is read, described and comes back from its JSON") {
  const std::map<std::string, std::string> kinds{
      {"layers: 2, heads: 4, width: 64, context: 32",
       "gpt layers=2 heads=4 width=64 context=32 vocabulary=256"},
      {"kind: gptj, layers: 2, heads: 4, width: 64, context: 32, rotary: 8",
       "gptj layers=2 heads=4 width=64 context=32 vocabulary=256 rotary=8"},
      {"kind: mlp, inputs: 784, layers: 2, width: 64, classes: 10",
       "mlp inputs=784 layers=2 width=64 classes=10"},
      {kVit + ", pool: mean, mlp_width: 12",
       "vit image=32 channels=3 patch=4 layers=2 heads=2 width=8 mlp_width=12 pool=mean classes=10"},
      {"kind: resnet, image: 32, stages: [1, 2], classes: 10",
       "resnet image=32 channels=3 stages=[1,2] width=64 classes=10"},
      {"library: m.so, options: {depth: 3, name: x}, context: 8, vocabulary: 300",
       "library library= options={\"depth\":\"3\",\"name\":\"x\"} context=8 vocabulary=300"}};
  for (const auto& [text, described] : kinds) {
    CAPTURE(text);
    const TaskSpec task = test::parse(with_model(text)).tasks.at(0);
    CHECK(describe(task.model) == described);
    const Document json = parse_json("t.json", to_json(task).dump());
    Diagnostics diagnostics(json);
    CHECK(task_from_value(json.root, diagnostics).model == task.model);
    CHECK_FALSE(diagnostics.any());
    CHECK(speed_signature(task).starts_with(described + "; synthetic"));
  }
}

TEST_CASE("a preset brings its kind and sizes, which keys beside it replace") {
  const ModelSpec xl = read("preset: gpt2-xl");
  CHECK(xl.gpt == GptModel{48, 25, 1600, 1024, 50257});
  CHECK(read("preset: gpt2-xl, layers: 2").gpt == GptModel{2, 25, 1600, 1024, 50257});
  CHECK(read("preset: gpt-j-6b").gptj.rotary == 64);
  CHECK(read("preset: vit-g-14, classes: 5").vit.classes == 5);
  CHECK(read("kind: resnet, preset: resnet-200").resnet.stages == std::vector<std::int64_t>{3, 24, 36, 3});
  CHECK(
      wrong("kind: gpt, preset: vit-g-14").find("2:35 model: 'preset' 'vit-g-14' is of kind vit, not gpt") ==
      0);
  CHECK(wrong("preset: gpt2-xxl").find("'preset' must be one of") != std::string::npos);
  CHECK(model_presets().size() == 13);
}

TEST_CASE("keys of other kinds are named with the kinds that have them") {
  CHECK(wrong("layers: 1, heads: 1, width: 8, context: 4, patch: 4") ==
        "2:66 model: 'patch' is a key of vit; this model's kind is gpt\n");
  CHECK(wrong("kind: mlp, inputs: 4, layers: 1, width: 8, classes: 2, heads: 2") ==
        "2:78 model: 'heads' is a key of gpt, gptj, vit; this model's kind is mlp\n");
  CHECK(wrong("kind: mlp, inputs: 4, layer: 1, width: 8, classes: 2").find("did you mean 'layers'?") !=
        std::string::npos);
}

TEST_CASE("sizes that do not go together") {
  CHECK(wrong("kind: vit, image: 32, patch: 5, layers: 2, heads: 2, width: 8, classes: 10") ==
        "2:45 model: 'patch' is 5, which does not divide image 32: every one gets an equal part\n");
  CHECK(wrong("kind: gptj, layers: 1, heads: 2, width: 8, context: 4, rotary: 6") ==
        "2:79 model: 'rotary' is 6; the numbers of a head that turn go in pairs, and a head has 4 (width / "
        "heads)\n");
  CHECK(wrong("kind: vit") ==
        "2:15 model: missing key 'classes'\n"
        "2:15 model: missing key 'heads'\n"
        "2:15 model: missing key 'image'\n"
        "2:15 model: missing key 'layers'\n"
        "2:15 model: missing key 'patch'\n"
        "2:15 model: missing key 'width'\n");
}

TEST_CASE("models that do not take the data are refused at the key to change") {
  const auto with_data = [](const std::string& model, const std::string& data) {
    return problems("tasks: [{name: a, batch_size: 4, steps: 9, data: {" + data + "},\n       model: {" +
                    model + "}}]\n");
  };
  CHECK(with_data(kVit, "files: x") ==
        "2:22 model: a vit takes samples with a class each, and text data are tokens\n");
  CHECK(with_data("layers: 1, heads: 1, width: 8, context: 4", "kind: cifar10, files: x") ==
        "2:15 model: a gpt takes tokens, and cifar10 data are samples with a class each\n");
  CHECK(with_data("kind: vit, image: 28, patch: 4, layers: 2, heads: 2, width: 8, classes: 10",
                  "kind: cifar10, files: x") ==
        "2:34 model: 'image' is 28, and the data's samples are 3 x 32 x 32\n");
  CHECK(with_data(kVit + ", channels: 1", "kind: cifar10, files: x") ==
        "2:102 model: 'channels' is 1, and the data's samples are 3 x 32 x 32\n");
  CHECK(with_data("kind: mlp, inputs: 784, layers: 2, width: 64, classes: 10", "kind: cifar10, files: x") ==
        "2:35 model: 'inputs' is 784, and the data's samples have 3072 numbers (3 x 32 x 32)\n");
  CHECK(with_data("kind: mlp, inputs: 3072, layers: 2, width: 64, classes: 9", "kind: cifar10, files: x") ==
        "2:72 model: 'classes' is 9, and the data's labels go up to 9\n");
  CHECK(with_data("library: m.so", "files: x") ==
        "2:25 model: 'context' is needed with text data: they are cut into rows of that many tokens\n");
}

TEST_CASE("kinds and options are swept by dotted paths, and stand in names") {
  const Workload workload = test::parse(
      "tasks: [{name: 'd{model.options.depth}', batch_size: 4, steps: 9, data: {kind: synthetic},\n"
      "  sweep: {grid: {model.options.depth: [1, 2]}}, model: {library: m.so, context: 8, vocabulary: "
      "9}}]\n");
  REQUIRE(workload.tasks.size() == 2);
  CHECK(workload.tasks[1].name == "d2");
  CHECK(workload.tasks[1].model.plugin.options.at("depth") == "2");
  CHECK(workload.tasks[1].model.plugin.library == "/w/m.so");
  const Workload presets = test::parse(
      "tasks: [{name: '{model.preset}', batch_size: 4, steps: 9, data: {kind: synthetic},\n"
      "  sweep: {grid: {model.preset: [gpt2, vit-b-16, resnet-50]}}, model: {}}]\n");
  CHECK(test::names(presets) == "gpt2\nvit-b-16\nresnet-50\n");
  CHECK(presets.tasks[2].model.kind == "resnet");
}

TEST_CASE("files of data, of a plug-in and of weights are looked at when a workload is read") {
  const test::TemporaryDirectory directory;
  const auto problem = [&](const std::string& task) {
    write_file_atomically(directory / "w.yaml", "tasks: [{name: a, batch_size: 2, " + task + "}]\n");
    try {
      (void)read_workload(directory / "w.yaml");
      return std::string();
    } catch (const InputError& error) {
      std::string all;
      for (const Diagnostic& d : error.diagnostics())
        all += std::to_string(d.column) + " " + d.message + "\n";
      for (size_t at; (at = all.find(directory.path().string())) != std::string::npos;)
        all.replace(at, directory.path().string().size(), "DIR");
      return all;
    }
  };
  using namespace test;
  write_file_atomically(directory / "cifar.bin", cifar_records(40));
  write_file_atomically(directory / "images", idx({4, 2, 2}, std::string(16, 'x')));
  write_file_atomically(directory / "labels", idx({4}, std::string(4, '\x03')));
  const std::string mlp = "model: {kind: mlp, inputs: 4, layers: 1, width: 2, classes: 3}";
  CHECK(problem("steps: 1, data: {kind: mnist, files: [images, labels], validation_fraction: 0.5}, " + mlp) ==
        "176 model: 'classes' is 3, and the data's labels go up to 3\n");
  CHECK(problem("steps: 1, data: {kind: cifar10, files: images}, " + mlp)
            .find("DIR/images: has 32 bytes, which are no whole number of CIFAR-10 records of 3073\n") !=
        std::string::npos);
  CHECK(problem("steps: 1, data: {kind: mnist, files: [images, labels], validation_fraction: 0.1}, "
                "model: {kind: mlp, inputs: 4, layers: 1, width: 2, classes: 4}") ==
        "71 data: the held-out part has no sample\n");
  const std::string vit =
      "model: {kind: vit, image: 32, patch: 8, layers: 1, heads: 1, width: 8, classes: 10";
  CHECK(problem("steps: 1, data: {kind: cifar10, files: cifar.bin}, " + vit +
                ", start_from: w.safetensors}") == "181 model: no file DIR/w.safetensors\n");
  CHECK(problem("steps: 1, data: {kind: synthetic}, model: {library: m.so, context: 8, vocabulary: 9}") ==
        "86 model: no file DIR/m.so\n");
  CHECK(problem("epochs: 1, data: {kind: cifar10, files: cifar.bin, validation_fraction: 0.1}, " + vit + "}")
            .empty());
  CHECK(read_workload(directory / "w.yaml").tasks.at(0).steps == 18);
}

TEST_CASE("what a plug-in is belongs to the signature, not where it is") {
  const test::TemporaryDirectory directory;
  const auto signature = [&](const std::string& name, const std::string& content) {
    write_file_atomically(directory / name, content);
    write_file_atomically(
        directory / "w.yaml",
        "tasks: [{name: a, batch_size: 2, steps: 1, data: {kind: synthetic}, model: {library: " + name +
            ", context: 8, vocabulary: 9}}]\n");
    const TaskSpec task = read_workload(directory / "w.yaml").tasks.at(0);
    const Document json = parse_json("t.json", to_json(task).dump());
    Diagnostics diagnostics(json);
    CHECK(task_from_value(json.root, diagnostics).model == task.model);
    return speed_signature(task);
  };
  CHECK(signature("a.so", "one") == signature("b.so", "one"));
  CHECK(signature("a.so", "one") != signature("a.so", "two"));
}

}  // namespace saturn::model_spec_test
