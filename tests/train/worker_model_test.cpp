// SPDX-License-Identifier: Apache-2.0
// The real worker with models and data of every kind.
#include "worker_gang.h"

namespace saturn::worker_model_test {
using namespace saturn::test;

namespace {

Job synthetic_job(const std::filesystem::path& directory, ModelSpec model, int ranks = 1) {
  Job job = small_job(directory, ranks);
  job.task.model = std::move(model);
  job.task.data = {.kind = "synthetic", .files = {}, .validation_batches = 2, .samples = 256};
  job.task.steps = 30;
  job.task.optimizer.lr = 3e-3;
  return job;
}

ModelSpec of_kind(const std::string& kind) {
  ModelSpec model;
  model.kind = kind;
  model.gptj = {.layers = 1, .heads = 2, .width = 16, .context = 16, .vocabulary = 64};
  model.mlp = {.inputs = 48, .layers = 1, .width = 32, .classes = 4};
  model.vit = {.image = 8, .patch = 4, .layers = 1, .heads = 2, .width = 16, .classes = 4};
  model.resnet = {.image = 16, .stages = {1}, .width = 8, .classes = 4};
  model.plugin = {
      .library = SATURN_MODEL_PLUGIN, .content = "", .options = {}, .context = 16, .vocabulary = 64};
  return model;
}

}  // namespace

TEST_CASE("models of every kind are trained: their loss falls, and a stopped run goes on") {
  for (const char* kind : {"gptj", "mlp", "vit", "resnet", "library"}) {
    CAPTURE(kind);
    const TemporaryDirectory directory;
    Job job = synthetic_job(directory.path(), of_kind(kind), 2);
    if (job.task.model.kind == "library") job.task.optimizer.lr = 0.03;  // its weights begin small
    const GangHistory history = run_gang(job);
    INFO("log: " << history.log);
    CHECK(history.exited.code == 0);
    const std::vector<double> losses = losses_of(job);
    REQUIRE(losses.size() == 30);
    CHECK(losses.back() < losses.front() * 0.95);
    CHECK(history.last<Finished>().validation_loss < losses.front());
    job.task.steps = 32;  // from the checkpoint that is there
    CHECK(run_gang(job).last<Finished>().step == 32);
  }
}

TEST_CASE("samples that are no tokens are counted as samples") {
  const TemporaryDirectory directory;
  const Job job = synthetic_job(directory.path(), of_kind("mlp"));
  CHECK(run_gang(job).exited.code == 0);
  const std::string metrics = read_file(job.directory / "metrics.jsonl");
  CHECK(metrics.find("\"samples_per_second\"") != std::string::npos);
  CHECK(metrics.find("tokens_per_second") == std::string::npos);
}

TEST_CASE("a model starts from given weights, and from its checkpoint when there is one") {
  const TemporaryDirectory directory, again;
  Job job = synthetic_job(directory.path(), of_kind("mlp"));
  const GangHistory first = run_gang(job);
  const auto trained = first.last<Finished>();
  Job next = synthetic_job(again.path(), of_kind("mlp"));
  next.task.model.start_from = trained.weights;
  next.task.steps = 1;
  next.task.optimizer.lr = 1e-12;
  CHECK(run_gang(next).last<Finished>().validation_loss ==
        doctest::Approx(trained.validation_loss).epsilon(1e-5));
  next.task.model.start_from = "/nowhere";  // not looked at any more
  next.task.steps = 2;
  CHECK(run_gang(next).last<Finished>().validation_loss ==
        doctest::Approx(trained.validation_loss).epsilon(1e-5));
}

TEST_CASE("weights that do not fit the model are refused with what is wrong") {
  const TemporaryDirectory directory, again;
  const auto trained = run_gang(synthetic_job(directory.path(), of_kind("mlp"))).last<Finished>();
  Job next = synthetic_job(again.path(), of_kind("mlp"));
  next.task.model.mlp.width = 16;
  next.task.model.start_from = trained.weights;
  const GangHistory history = run_gang(next);
  CHECK(history.exited.code == 1);
  CHECK(history.last<Failed>().message ==
        "cannot start from " + trained.weights +
            ": the checkpoint does not fit the model: 'layers.0.weight' is [32, "
            "48] in the checkpoint and [16, 48] in the model");
}

TEST_CASE("an exception in a plug-in's block ends the task with its text and the plug-in's name") {
  const TemporaryDirectory directory;
  Job job = synthetic_job(directory.path(), of_kind("library"));
  job.task.model.plugin.options["mistake"] = "forward";
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 1);
  CHECK(history.last<Failed>().message ==
        fmt::format(
            "a mistake in forward (in step() of the parallelism 'ddp', {}) (the model is the plug-in {})",
            SATURN_DDP, SATURN_MODEL_PLUGIN));
}

}  // namespace saturn::worker_model_test
