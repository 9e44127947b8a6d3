// SPDX-License-Identifier: Apache-2.0
#include "train/background_checkpoint.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <thread>

#include "temporary_directory.h"
#include "train/file_size_limit.h"
#include "train/gang.h"
#include "train/gang_checkpoint.h"
#include "train/host_memory.h"
#include "train/memory_budget.h"

namespace saturn::background_checkpoint_test {

namespace {

std::int64_t load_latest(const RankContext& context, Trainer& trainer, const std::filesystem::path& root) {
  const auto checkpoint = open_latest(context, root);
  if (!checkpoint) return 0;
  trainer.load(*checkpoint);
  return checkpoint->state().step;
}

/// One tensor, of which every rank keeps an equal part; a step adds one to it.
class Counter final : public Trainer {
 public:
  explicit Counter(const Mesh& mesh, std::int64_t elements = 12)
      : mesh_(mesh), elements_(elements), mine_(at::zeros({elements / mesh.world_size})) {}
  StepResult step(const GlobalBatch&, double) override { return add(1); }
  double evaluate(const GlobalBatch&) override { return 0; }
  void save(CheckpointWriter& writer) override {
    writer.add_part("weight", {2, elements_ / 2}, mesh_.rank * mine_.numel(), mine_);
  }
  void load(const CheckpointReader& reader) override {
    reader.read("weight", mesh_.rank * mine_.numel(), mine_);
  }
  StepResult add(double value) {
    mine_.add_(value);
    return {};
  }
  double value() const { return mine_.min().item<double>(); }

 private:
  Mesh mesh_;
  std::int64_t elements_;
  at::Tensor mine_;
};

class NoParallelism final : public Parallelism {
 public:
  std::variant<std::vector<Candidate>, NotApplicable> candidates(const SearchContext&) const override {
    return NotApplicable{};
  }
  std::unique_ptr<Trainer> prepare(const TaskSpec&, const Knobs&, const Mesh&) const override { return {}; }
};

Job small_job() {
  Job job;
  job.task.name = "counter";
  job.task.seed = 3;
  return job;
}

/// What a rank does with its context; the result is what its gang's test compares.
using ContextBody = std::function<std::string(const RankContext&)>;

std::vector<std::string> run_ranks(int size, const ContextBody& body) {
  return run_as_threads(size, [&](Communicator& communicator) {
    const Job job = small_job();
    const NoParallelism parallelism;
    const auto accelerator = make_cpu_accelerator();
    const Mesh mesh{.communicator = &communicator, .rank = communicator.rank(), .world_size = size};
    std::string result;
    with_abort(mesh, [&] { result = body({job, parallelism, *accelerator, mesh, EventWriter(-1)}); });
    return result;
  });
}

/// As the training loop does at every step; "written N" or the message.
std::string text_of(const std::optional<CheckpointOutcome>& outcome) {
  if (!outcome) return "";
  if (const auto* written = std::get_if<Checkpointed>(&*outcome))
    return fmt::format("written {}", written->step);
  return std::get<CheckpointFailed>(*outcome).message;
}

bool any_writing(const RankContext& context, const BackgroundCheckpoint& checkpoint) {
  std::int64_t writing = checkpoint.writing();
  context.communicator().all_reduce({&writing, 1, Dtype::kInt64}, Reduction::kMax);
  return writing != 0;
}

/// Trains on until the outcome is there.
std::string train_until_written(const RankContext& context, BackgroundCheckpoint& checkpoint,
                                Counter& trainer) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < end) {
    trainer.add(1);
    const auto outcome = checkpoint.advance(any_writing(context, checkpoint));
    if (outcome) return text_of(outcome);
  }
  return "not within a minute";
}

std::vector<std::string> same(int size, const std::string& text) {
  return std::vector<std::string>(static_cast<std::size_t>(size), text);
}

}  // namespace

TEST_CASE("what is written is what was there at the beginning, while training goes on") {
  for (int ranks = 1; ranks <= 3; ++ranks) {
    const test::TemporaryDirectory root;
    const auto results = run_ranks(ranks, [&](const RankContext& context) {
      Counter trainer(context.mesh);
      BackgroundCheckpoint checkpoint(context, root.path());
      std::string all;
      for (int step = 1; step <= 3; ++step) {  // the second and third use the memory again
        trainer.add(100);
        const double before = trainer.value();
        all += text_of(checkpoint.begin(trainer, step));
        if (!checkpoint.busy()) return std::string("not in the background");
        all += train_until_written(context, checkpoint, trainer) + " ";
        Counter loaded(context.mesh);
        if (load_latest(context, loaded, root.path()) != step) return std::string("not the latest");
        if (loaded.value() != before || trainer.value() <= before) return std::string("not as it was");
      }
      return all;
    });
    CHECK(results == same(ranks, "written 1 written 2 written 3 "));
    CHECK(list_checkpoints(root.path()).size() == 2);
  }
}

TEST_CASE("memory for the copies can be fetched before, without an outcome") {
  const test::TemporaryDirectory root;
  const auto results = run_ranks(2, [&](const RankContext& context) {
    Counter trainer(context.mesh);
    BackgroundCheckpoint checkpoint(context, root.path());
    checkpoint.reserve(trainer);
    if (!checkpoint.reserved() || !checkpoint.busy()) return std::string("not in the background");
    while (checkpoint.busy())
      if (checkpoint.advance(any_writing(context, checkpoint))) return std::string("an outcome");
    trainer.add(3);
    const std::string at_once = text_of(checkpoint.begin(trainer, 4));
    return at_once + train_until_written(context, checkpoint, trainer);
  });
  CHECK(results == same(2, "written 4"));
}

TEST_CASE("a checkpoint of four ranks is gone on with by one, two and three") {
  const test::TemporaryDirectory root;
  const auto write = [&](const RankContext& context) {
    Counter trainer(context.mesh);
    trainer.add(7);
    return text_of(BackgroundCheckpoint(context, root.path()).write(trainer, 9));
  };
  CHECK(run_ranks(4, write) == same(4, "written 9"));
  const auto read = [&](const RankContext& context) {
    Counter trainer(context.mesh);
    const std::int64_t step = load_latest(context, trainer, root.path());
    return fmt::format("{} at {}", trainer.value(), step);
  };
  for (int ranks = 1; ranks <= 3; ++ranks) CHECK(run_ranks(ranks, read) == same(ranks, "7 at 9"));
}

TEST_CASE("the ranks wait for each other's writes at the end, and say for how long training stood still") {
  const test::TemporaryDirectory root;
  const auto results = run_ranks(2, [&](const RankContext& context) {
    Counter trainer(context.mesh);
    BackgroundCheckpoint checkpoint(context, root.path());
    if (checkpoint.finish()) return std::string("an outcome of nothing");
    if (checkpoint.begin(trainer, 5)) return std::string("not in the background");
    const auto outcome = checkpoint.finish();
    const auto* written = outcome ? std::get_if<Checkpointed>(&*outcome) : nullptr;
    if (written == nullptr || checkpoint.busy()) return std::string("not finished");
    if (written->bytes != 48 || written->held_seconds > written->seconds) return std::string("wrong figures");
    if (written->held_seconds <= 0) return std::string("no time");
    return text_of(outcome);
  });
  CHECK(results == same(2, "written 5"));
}

TEST_CASE("a disk that is full in the background is an outcome on every rank; the checkpoint before stays") {
  const test::TemporaryDirectory root;
  const auto results = run_ranks(2, [&](const RankContext& context) {
    Counter trainer(context.mesh, 200'000);
    BackgroundCheckpoint checkpoint(context, root.path());
    std::string all = text_of(checkpoint.write(trainer, 1)) + ", ";
    context.communicator().barrier();
    static std::optional<test::FileSizeLimit> limit;  // of the process, for both threads
    if (context.leads()) limit.emplace(4096);
    context.communicator().barrier();
    trainer.add(1);
    all += text_of(checkpoint.begin(trainer, 2));
    const std::string failure = train_until_written(context, checkpoint, trainer);
    all += failure.ends_with(": File too large") ? "disk full, " : failure;
    context.communicator().barrier();
    if (context.leads()) limit.reset();
    context.communicator().barrier();
    if (checkpoint.busy()) return std::string("still busy");
    return all + text_of(checkpoint.write(trainer, 3));
  });
  CHECK(results == same(2, "written 1, disk full, written 3"));
  const auto left = list_checkpoints(root.path());
  CHECK(left == std::vector<std::filesystem::path>{root / "step-00000003", root / "step-00000001"});
  CHECK_FALSE(std::filesystem::exists(root / "step-00000002.writing"));
}

TEST_CASE("a directory that cannot be made is an outcome at once") {
  const test::TemporaryDirectory root;
  write_file_atomically(root / "file", "");
  const auto results = run_ranks(2, [&](const RankContext& context) {
    Counter trainer(context.mesh);
    BackgroundCheckpoint checkpoint(context, root / "file");
    const std::string text = text_of(checkpoint.begin(trainer, 1));
    return checkpoint.busy() ? "busy" : text.substr(0, text.find(' '));
  });
  CHECK(results == same(2, "cannot"));
}

TEST_CASE(
    "one that is given up in the middle leaves the checkpoint before, and the next one clears it away") {
  const test::TemporaryDirectory root;
  const auto results = run_ranks(1, [&](const RankContext& context) {
    Counter trainer(context.mesh, 1 << 20);
    std::string all = text_of(BackgroundCheckpoint(context, root.path()).write(trainer, 1)) + ", ";
    {
      BackgroundCheckpoint checkpoint(context, root.path());
      all += text_of(checkpoint.begin(trainer, 2));
    }
    Counter loaded(context.mesh, 1 << 20);
    all += fmt::format("loaded {}, ", load_latest(context, loaded, root.path()));
    return all + text_of(BackgroundCheckpoint(context, root.path()).write(trainer, 3));
  });
  CHECK(results == same(1, "written 1, loaded 1, written 3"));
  CHECK_FALSE(std::filesystem::exists(root / "step-00000002.writing"));
}

TEST_CASE("parts that make no whole tensor end the gang") {
  const test::TemporaryDirectory root;
  const auto results = run_ranks(2, [&](const RankContext& context) {
    Mesh all_the_same = context.mesh;
    all_the_same.rank = 0;
    Counter trainer(all_the_same);
    BackgroundCheckpoint checkpoint(context, root.path());
    return text_of(checkpoint.write(trainer, 1));
  });
  CHECK(results[0] == "threw: tensor 'weight' has the elements [0, 6) twice");
  CHECK(results[1] == "threw: rank 0: tensor 'weight' has the elements [0, 6) twice");
}

TEST_CASE("host memory is outside of the slot's budget and comes back") {
  set_memory_budget(1 << 20);
  const Bytes before = memory_in_use();
  {
    const at::Tensor large = host_empty({3, 1 << 20}, at::kFloat);
    CHECK(large.sizes() == at::IntArrayRef({3, 1 << 20}));
    CHECK((large.scalar_type() == at::kFloat));
    CHECK(reinterpret_cast<std::uintptr_t>(large.data_ptr()) % 4096 == 0);
    large.fill_(2);
    CHECK(large.sum().item<double>() == 6.0 * (1 << 20));
    CHECK(memory_in_use() == before);
  }
  CHECK(host_empty({0, 4}, at::kLong).numel() == 0);
  CHECK_THROWS_AS(host_empty({1LL << 50}, at::kByte), c10::OutOfMemoryError);
  set_memory_budget(0);
}

}  // namespace saturn::background_checkpoint_test
