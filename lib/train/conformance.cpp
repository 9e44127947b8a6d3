// SPDX-License-Identifier: Apache-2.0
#include "train/conformance.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <barrier>
#include <cmath>
#include <exception>
#include <fmt/format.h>
#include <optional>
#include <sys/mman.h>
#include <thread>

#include "base/document.h"
#include "base/error.h"
#include "base/file.h"
#include "train/data.h"
#include "train/optimizer.h"
#include "train/parallelism.h"
#include "train/plugin.h"
#include "train/schedule.h"
#include "train/shared_communicator.h"
#include "train/weights.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-9;
constexpr std::int64_t kSteps = 10, kStop = 5;
constexpr Seconds kTimeout{120};

double rate_of(const TaskSpec& task, std::int64_t step) {
  return learning_rate(task.optimizer.schedule, task.optimizer.lr, step, kSteps);
}

/// A task on synthetic data, of a clip that takes hold.
TaskSpec task_of(const ModelSpec& model) {
  TaskSpec task;
  task.name = model.kind;
  task.model = model;
  task.data.kind = "synthetic";
  task.data.samples = 100;
  task.batch_size = 8;
  task.steps = kSteps;
  task.seed = 5;
  task.precision = "fp64";
  task.optimizer.lr = 1e-3;
  task.optimizer.clip = 0.5;
  task.optimizer.weight_decay = 0.1;
  return task;
}

/// Chains of at least four blocks.
std::vector<TaskSpec> tasks() {
  ModelSpec gpt, gptj, vit, mlp, resnet;
  gpt.gpt = {.layers = 3, .heads = 2, .width = 16, .context = 8, .vocabulary = 32};
  gptj.kind = "gptj";
  gptj.gptj = {.layers = 3, .heads = 2, .width = 16, .context = 8, .vocabulary = 32, .rotary = 4};
  vit.kind = "vit";
  vit.vit = {.image = 8, .channels = 3, .patch = 4, .layers = 3, .heads = 2, .width = 16, .classes = 5};
  mlp.kind = "mlp";
  mlp.mlp = {.inputs = 12, .layers = 4, .width = 16, .classes = 5};
  resnet.kind = "resnet";
  resnet.resnet = {.image = 16, .channels = 3, .stages = {1, 1}, .width = 8, .classes = 5};
  return {task_of(gpt), task_of(gptj), task_of(vit), task_of(mlp), task_of(resnet)};
}

/// Batch norm takes its statistics over the rows that go through it together: equality with plain training
/// holds where all rows do.
bool has_batch_norm(const TaskSpec& task) {
  return !build_model(task.model).buffers().empty();
}

/// A way to train on so many ranks.
struct Way {
  const ConformanceSubject* subject = nullptr;
  const Parallelism* parallelism = nullptr;
  int ranks = 1;
  Knobs knobs;

  std::string text() const {
    return fmt::format("{} x{}{}{}", subject->name, ranks, knobs.empty() ? "" : " ", to_text(knobs));
  }
  bool takes_all_rows_at_once() const {
    return ranks == 1 && knob_value(knobs, "micro_batch", "all") == "all";
  }
};

/// What a training left: a checkpoint, and the losses of its steps.
struct Trained {
  fs::path checkpoint;
  std::vector<double> losses;
};

/// A folder of its own that goes with it.
class Scratch {
 public:
  Scratch() : path_(fs::temp_directory_path() / fmt::format("saturn-conformance-{}", ::getpid())) {
    fs::create_directories(path_);
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path next() { return path_ / std::to_string(count_++); }

 private:
  fs::path path_;
  int count_ = 0;
};

/// Runs `body` on every rank of a gang of threads. Errors: what the first rank threw.
void run_ranks(int ranks, const std::function<void(Communicator&)>& body) {
  const FileDescriptor file(::memfd_create("saturn-conformance", MFD_CLOEXEC));
  const auto segment =
      std::make_shared<const SharedSegment>(fmt::format("/proc/self/fd/{}", file.get()), ranks);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      at::set_num_threads(1);
      const auto communicator =
          ranks == 1 ? make_single_communicator() : make_communicator_on(segment, rank, kTimeout);
      try {
        body(*communicator);
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
        communicator->abort(fmt::format("rank {}: {}", rank, error.what()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error != nullptr) std::rethrow_exception(error);
}

Mesh mesh_of(Communicator& communicator) {
  Mesh mesh;
  mesh.communicator = &communicator;
  mesh.rank = communicator.rank();
  mesh.world_size = communicator.size();
  return mesh;
}

void commit(const fs::path& root, const TaskSpec& task, std::int64_t step) {
  commit_checkpoint(root, {step, task.name, model_signature(task.model), "made up", task.seed});
}

/// Steps [from, to), after the checkpoint `start` if there is one.
Trained train(const TaskSpec& task, const Way& way, std::int64_t from, std::int64_t to,
              const std::optional<fs::path>& start, const fs::path& root) {
  Trained trained{root / checkpoint_name(to), {}};
  begin_checkpoint(root, to);
  const auto data = open_data(task);
  run_ranks(way.ranks, [&](Communicator& communicator) {
    const auto trainer = way.parallelism->prepare(task, way.knobs, mesh_of(communicator));
    if (start) trainer->load(OpenedCheckpoint(*start));
    for (std::int64_t step = from; step < to; ++step) {
      const StepResult result = trainer->step(data->training_batch(step), rate_of(task, step));
      if (communicator.rank() == 0) trained.losses.push_back(result.loss);
    }
    ShardWriter shard;
    trainer->save(shard);
    write_shard({root, to, communicator.rank(), way.ranks}, shard.parts());
    communicator.barrier();
  });
  commit(root, task, to);
  return trained;
}

/// Training as a textbook has it: one device, one graph, all rows at once.
Trained train_plainly(const TaskSpec& task, const fs::path& root) {
  Trained trained{root / checkpoint_name(kSteps), {}};
  Model model = build_model(task.model);
  Weights weights(model.blocks, precision_of(task), at::kCPU, task.seed);
  AdamW optimizer(weights.masters(), task.optimizer);
  const auto data = open_data(task);
  for (std::int64_t step = 0; step < kSteps; ++step) {
    weights.clear_gradients();
    const Batch batch = data->training_batch(step).slice(0, task.batch_size).to(at::kCPU, at::kDouble);
    at::Tensor loss = cross_entropy(model.forward(batch.inputs), batch.targets);
    loss.backward();
    const double norm = std::sqrt(squared_norm(weights.gradients()));
    optimizer.step(weights.gradients(), rate_of(task, step), clip_factor(norm, task.optimizer.clip));
    trained.losses.push_back(loss.item<double>());
  }
  begin_checkpoint(root, kSteps);
  ShardWriter shard;
  optimizer.save(shard);
  optimizer.save_step(shard);
  save_slices(weights.buffers(), shard);
  write_shard({root, kSteps, 0, 1}, shard.parts());
  commit(root, task, kSteps);
  return trained;
}

/// The largest difference between the losses from step `from` on and between all tensors. Errors:
/// CheckpointError when there are other tensors.
double difference(const Trained& is, const Trained& expected, std::int64_t from) {
  double largest = 0;
  for (std::size_t i = 0; i < is.losses.size(); ++i)
    largest = std::max(largest, std::abs(is.losses[i] - expected.losses[static_cast<std::size_t>(from) + i]));
  const OpenedCheckpoint found(is.checkpoint), wanted(expected.checkpoint);
  if (found.names() != wanted.names())
    throw CheckpointError(fmt::format("it has {} tensors, not the {} of plain training", found.names().size(),
                                      wanted.names().size()));
  for (const std::string& name : wanted.names()) {
    const at::Tensor off = found.tensor(name).to(at::kDouble).sub(wanted.tensor(name));
    const double most = off.numel() == 0 ? 0 : off.abs().max().item<double>();
    largest = std::isnan(most) ? most : std::max(largest, most);
  }
  return largest;
}

class Suite {
 public:
  Suite(const std::vector<ConformanceSubject>& subjects, std::FILE* out) : out_(out) {
    for (const ConformanceSubject& subject : subjects)
      parallelisms_.emplace_back(&subject, load_parallelism(subject.name, subject.library));
  }

  bool run() {
    for (const TaskSpec& task : tasks()) {
      const Trained expected = train_plainly(task, scratch_.next());
      std::vector<Way> firsts;  // the first setting of each subject and number of ranks
      for (const Way& way : ways(task)) {
        const bool first =
            firsts.empty() || firsts.back().subject != way.subject || firsts.back().ranks != way.ranks;
        if (first) firsts.push_back(way);
        check(task, way.text(),
              [&] { return difference(train(task, way, 0, kSteps, {}, scratch_.next()), expected, 0); });
      }
      for (const Way& before : firsts) check_moves(task, before, firsts, expected);
    }
    return good_;
  }

 private:
  void line(const TaskSpec& task, const std::string& what, const std::string& difference,
            const std::string& verdict) {
    fmt::print(out_, "{}\t{}\t{}\t{}\n", task.name, what, difference, verdict);
    std::fflush(out_);
  }

  void check(const TaskSpec& task, const std::string& what, const std::function<double()>& measure) {
    try {
      const double largest = measure();
      const bool well = largest < kTolerance;
      good_ = good_ && well;
      line(task, what, fmt::format("{:.1e}", largest), well ? "ok" : "FAILED: another training");
    } catch (const std::exception& error) {
      fail(task, what, error);
    }
  }

  void fail(const TaskSpec& task, const std::string& what, const std::exception& error) {
    good_ = false;
    line(task, what, "", fmt::format("FAILED: {}", error.what()));
  }

  /// What the subjects offer on 1, 2 and 4 devices; why nothing is said in a line of its own.
  std::vector<Way> ways(const TaskSpec& task) {
    std::vector<Way> all;
    for (const auto& [subject, parallelism] : parallelisms_) {
      for (const int ranks : {1, 2, 4}) add_ways(task, {subject, parallelism.get(), ranks, {}}, all);
    }
    if (has_batch_norm(task))
      std::erase_if(all, [](const Way& way) { return !way.takes_all_rows_at_once(); });
    return all;
  }

  /// `base` with every knob setting that is offered for it.
  void add_ways(const TaskSpec& task, const Way& base, std::vector<Way>& all) {
    try {
      auto found = candidates(task, *base.subject, *base.parallelism, base.ranks);
      if (const auto* none = std::get_if<NotApplicable>(&found))
        return line(task, base.text(), "", "not applicable: " + none->why);
      for (Candidate& candidate : std::get<std::vector<Candidate>>(found)) {
        all.push_back(base);
        all.back().knobs = std::move(candidate.knobs);
      }
    } catch (const std::exception& error) {
      fail(task, base.text(), error);
    }
  }

  static std::variant<std::vector<Candidate>, NotApplicable> candidates(const TaskSpec& task,
                                                                        const ConformanceSubject& subject,
                                                                        const Parallelism& parallelism,
                                                                        int ranks) {
    ModelCosts costs;  // nothing is measured: all settings are wanted, in any order
    costs.blocks.resize(build_model(task.model).blocks.size());
    Mesh mesh;
    mesh.world_size = ranks;
    return parallelism.candidates({task, mesh, costs, subject.knobs});
  }

  void check_moves(const TaskSpec& task, const Way& before, const std::vector<Way>& ways,
                   const Trained& expected) {
    std::optional<Trained> half;
    for (const Way& after : ways) {
      check(task,
            fmt::format("{} x{} -> {} x{}", before.subject->name, before.ranks, after.subject->name,
                        after.ranks),
            [&] {
              if (!half) half = train(task, before, 0, kStop, {}, scratch_.next());
              return difference(train(task, after, kStop, kSteps, half->checkpoint, scratch_.next()),
                                expected, kStop);
            });
    }
  }

  std::FILE* out_;
  std::vector<std::pair<const ConformanceSubject*, std::unique_ptr<Parallelism>>> parallelisms_;
  Scratch scratch_;
  bool good_ = true;
};

}  // namespace

std::vector<ConformanceSubject> read_conformance_subjects(const fs::path& file) {
  const Document document = read_json(file.string());
  Diagnostics diagnostics(document);
  std::vector<ConformanceSubject> subjects;
  for (const Value& item : document.root.items) {
    MapReader reader(item, "parallelism", diagnostics);
    ConformanceSubject subject{reader.text("name"), reader.text("library"), {}};
    if (const Value* knobs = reader.value("knobs")) {
      MapReader values(*knobs, "knobs", diagnostics);
      for (const Value::Member& knob : knobs->members) subject.knobs[knob.key] = values.texts(knob.key);
      values.finish();
    }
    reader.finish();
    subjects.push_back(std::move(subject));
  }
  diagnostics.throw_if_any();
  return subjects;
}

bool run_conformance(const std::vector<ConformanceSubject>& subjects, std::FILE* out) {
  return Suite(subjects, out).run();
}

}  // namespace saturn
