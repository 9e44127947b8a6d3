// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <algorithm>
#include <c10/core/GradMode.h>
#include <cmath>
#include <optional>

#include "train/agreement.h"
#include "train/communication_queue.h"
#include "train/gradient_hook.h"
#include "train/optimizer.h"
#include "train/parallelism.h"
#include "train/precision.h"
#include "train/rows.h"
#include "train/weights.h"

namespace saturn::ddp {
namespace {

/// The first bucket is small, so that the reductions begin early.
constexpr std::int64_t kFirstBucketBytes = 1 << 20;

/// The gradients of a replica, in flat buckets filled from the last parameter to the first, which is about
/// the order in which the backward pass makes them. A gradient moves into its bucket as soon as it is made,
/// and what the backward pass made is freed: cheaper than views of the bucket from the start, which would
/// have to be zeroed and added to. Buckets are sent in their order on every rank, each as soon as it and all
/// before it are full.
class Buckets {
 public:
  Buckets(const std::vector<Parameter>& parameters, at::ScalarType dtype, std::int64_t bucket_bytes,
          CommunicationQueue& queue)
      : queue_(queue) {
    assign(parameters, dtype, bucket_bytes);
    for (std::size_t i = 0; i < slots_.size(); ++i) watch(i);
  }
  ~Buckets() {  // the hooks point here
    for (Slot& slot : slots_) on_gradient(slot.parameter, {});
  }
  Buckets(const Buckets&) = delete;
  Buckets& operator=(const Buckets&) = delete;

  /// Before a backward pass: the `first` of a step begins the sums, the `last` completes and sends them.
  void begin(bool first, bool last) {
    first_ = first;
    last_ = last;
    sent_ = 0;
    for (Slot& slot : slots_) slot.taken = false;
    for (Bucket& bucket : buckets_) bucket.missing = bucket.slots;
  }

  /// After the last one: sends what no backward pass has reached (as zeros) and waits for everything.
  void finish() {
    for (std::size_t i = 0; i < slots_.size(); ++i) take(i);
    queue_.wait_all();
  }

  /// Of the parameters, in the order given to the constructor.
  std::vector<at::Tensor> gradients() const {
    std::vector<at::Tensor> gradients;
    for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) gradients.push_back(slot->view);
    return gradients;
  }

 private:
  struct Slot {
    at::Tensor parameter;
    at::Tensor view;  ///< of its bucket, shaped as the parameter
    std::size_t bucket = 0;
    bool taken = false;
  };
  struct Bucket {
    at::Tensor flat;
    std::size_t slots = 0, missing = 0;
  };

  void assign(const std::vector<Parameter>& parameters, at::ScalarType dtype, std::int64_t bucket_bytes) {
    const auto bytes_each = static_cast<std::int64_t>(c10::elementSize(dtype));
    std::int64_t limit = std::min(kFirstBucketBytes, bucket_bytes);
    std::vector<std::int64_t> sizes;
    for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
      if (sizes.empty() || sizes.back() * bytes_each >= limit) {
        if (!sizes.empty()) limit = bucket_bytes;
        sizes.push_back(0);
        buckets_.emplace_back();
      }
      slots_.push_back({parameter->tensor, {}, buckets_.size() - 1, false});
      sizes.back() += parameter->elements();
      ++buckets_.back().slots;
    }
    for (std::size_t i = 0; i < buckets_.size(); ++i)
      buckets_[i].flat =
          at::empty({sizes[i]}, slots_.front().parameter.options().dtype(dtype).requires_grad(false));
    std::vector<std::int64_t> used(buckets_.size());
    for (Slot& slot : slots_) {
      const std::int64_t count = slot.parameter.numel();
      slot.view = buckets_[slot.bucket].flat.narrow(0, used[slot.bucket], count).view(slot.parameter.sizes());
      used[slot.bucket] += count;
    }
  }

  void watch(std::size_t index) {
    on_gradient(slots_[index].parameter, [this, index] { take(index); });
  }

  void take(std::size_t index) {
    Slot& slot = slots_[index];
    if (slot.taken) return;
    slot.taken = true;
    const at::Tensor& gradient = slot.parameter.grad();
    if (gradient.defined()) {
      const c10::NoGradGuard no_gradients;
      first_ ? slot.view.copy_(gradient) : slot.view.add_(gradient);
    } else if (first_) {
      slot.view.zero_();
    }
    slot.parameter.mutable_grad().reset();
    --buckets_[slot.bucket].missing;
    if (last_) send_full();
  }

  void send_full() {
    while (sent_ < buckets_.size() && buckets_[sent_].missing == 0) {
      const Buffer buffer = buffer_of(buckets_[sent_++].flat);
      queue_.submit([buffer](Communicator& all) { all.all_reduce(buffer, Reduction::kSum); });
    }
  }

  CommunicationQueue& queue_;
  std::vector<Slot> slots_;
  std::vector<Bucket> buckets_;
  std::size_t sent_ = 0;
  bool first_ = true, last_ = true;
};

class DdpTrainer final : public Trainer {
 public:
  DdpTrainer(const TaskSpec& task, const Knobs& knobs, const Mesh& mesh)
      : mesh_(mesh),
        precision_(precision_of(task)),
        clip_(task.optimizer.clip),
        micro_batch_(micro_batch_rows(task, knobs, task.batch_size / mesh.world_size)),
        model_(build_model(task.model)),
        weights_(model_.blocks, precision_, mesh.device, initial_seed(task, mesh)),  // the same on every rank
        optimizer_(weights_.masters(), task.optimizer),
        queue_(*mesh.communicator, mesh.device, mesh.world_size > 1 && overlaps(knobs)) {
    if (mesh.world_size == 1 && !precision_.mixed()) return;  // gradients stay where they are made
    buckets_.emplace(weights_.parameters(), precision_.master, bucket_bytes(knobs), queue_);
  }

  StepResult step(const GlobalBatch& batch, double learning_rate) override {
    weights_.clear_gradients();
    const Rows mine = rows_of_rank(batch.rows(), mesh_.rank, mesh_.world_size);
    double loss = 0;
    for (const Rows& rows : micro_batches(mine, micro_batch_)) {
      if (buckets_) buckets_->begin(rows.begin == mine.begin, rows.end == mine.end);
      at::Tensor part = share_of_loss(batch, rows, Pass::kTrain);
      part.backward();
      loss += part.item<double>();
    }
    if (buckets_) buckets_->finish();
    const std::vector<at::Tensor> gradients = buckets_ ? buckets_->gradients() : weights_.gradients();
    const double norm = std::sqrt(squared_norm(gradients));
    optimizer_.step(gradients, learning_rate, clip_factor(norm, clip_));
    weights_.refresh();
    return {agree_on_sum(*mesh_.communicator, loss), norm};
  }

  double evaluate(const GlobalBatch& batch) override {
    const c10::NoGradGuard no_gradients;
    double loss = 0;
    const Rows mine = rows_of_rank(batch.rows(), mesh_.rank, mesh_.world_size);
    for (const Rows& rows : micro_batches(mine, micro_batch_))
      loss += share_of_loss(batch, rows, Pass::kEvaluate).item<double>();
    return agree_on_sum(*mesh_.communicator, loss);
  }

  /// The replicas are equal: every rank writes some of the tensors.
  void save(CheckpointWriter& writer) override {
    const std::vector<int> writers = writers_of(weights_.masters(), mesh_.world_size);
    for (std::size_t i = 0; i < writers.size(); ++i)
      if (writers[i] == mesh_.rank) optimizer_.save(writer, i);
    if (mesh_.rank != 0) return;
    optimizer_.save_step(writer);
    save_slices(weights_.buffers(), writer);
  }

  void load(const CheckpointReader& reader) override {
    check_fits(model_.tensors(), reader);
    load_slices(weights_.buffers(), reader);
    optimizer_.load(reader);
    weights_.refresh();
  }

 private:
  static bool overlaps(const Knobs& knobs) { return knob_value(knobs, "overlap", "on") == "on"; }
  static std::int64_t bucket_bytes(const Knobs& knobs) {
    return std::stoll(knob_value(knobs, "bucket_mb", "25")) << 20;
  }

  /// What these rows contribute to the mean loss of the global batch.
  at::Tensor share_of_loss(const GlobalBatch& batch, Rows rows, Pass pass) const {
    const Batch part = batch.slice(rows.begin, rows.end).to(mesh_.device, precision_.compute);
    const at::Tensor loss = cross_entropy(model_.forward(part.inputs, pass), part.targets);
    return rows.count() == batch.rows() ? loss : at::mul(loss, batch.share(rows.count()));
  }

  Mesh mesh_;
  Precision precision_;
  double clip_;
  std::int64_t micro_batch_;
  Model model_;
  Weights weights_;
  AdamW optimizer_;
  std::optional<Buckets> buckets_;
  CommunicationQueue queue_;  // its thread ends before the buckets do
};

class Ddp final : public Parallelism {
 public:
  std::variant<std::vector<Candidate>, NotApplicable> candidates(
      const SearchContext& context) const override {
    const std::int64_t devices = context.mesh.world_size;
    if (std::string why = uneven_share(context.task, devices); !why.empty()) return NotApplicable{why};
    auto values = context.values;
    if (devices == 1) std::erase_if(values, [](const auto& knob) { return knob.first != "micro_batch"; });
    std::vector<Candidate> candidates;
    for (const Knobs& knobs : knob_settings(context.task, values, context.task.batch_size / devices))
      candidates.push_back(guess(context, knobs));
    return candidates;
  }

  std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs& knobs,
                                   const Mesh& mesh) const override {
    return std::make_unique<DdpTrainer>(task, knobs, mesh);
  }

 private:
  /// README.md: weights, gradients and two optimizer states on every device, and the activations of a
  /// micro-batch; the reduction is hidden behind half of the computation at best.
  static Candidate guess(const SearchContext& context, const Knobs& knobs) {
    const std::int64_t devices = context.mesh.world_size;
    const std::int64_t share = context.task.batch_size / devices;
    const std::int64_t micro = micro_batch_rows(context.task, knobs, share);
    const Precision precision = precision_of(context.task);
    const auto master = static_cast<Bytes>(c10::elementSize(precision.master));
    const auto copies = precision.mixed() ? static_cast<Bytes>(c10::elementSize(precision.compute)) : 0;
    const Bytes parameters = context.costs.parameters();
    const double compute = context.costs.step_seconds(share) * accumulation_factor(share, micro);
    const double reduce =
        devices == 1 ? 0
                     : 2.0 * static_cast<double>(devices - 1) / static_cast<double>(devices) *
                           static_cast<double>(parameters * master) / context.costs.copy_bytes_per_second;
    const Bytes memory =
        parameters * (4 * master + copies) + context.costs.kept_bytes(micro, Keep::kEverything);
    return {knobs, compute + std::max(reduce - compute / 2, 0.1 * reduce), memory};
  }
};

}  // namespace
}  // namespace saturn::ddp

SATURN_PARALLELISM(saturn::ddp::Ddp)
