// SPDX-License-Identifier: Apache-2.0
// NCCL on real GPUs; two ranks share one where there is but one.
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <doctest/doctest.h>
#include <signal.h>

#include "train/agreement.h"
#include "train/gpu_ranks.h"

namespace saturn::gpu_communicator_test {
using test::gpu_rank;
using test::GpuMemory;
using test::run_on_gpus;

namespace {

using Texts = std::vector<std::string>;

at::Tensor ones(std::int64_t count) {
  return at::ones({count}, at::TensorOptions(at::kFloat).device(test::gpu().device()));
}

Buffer buffer_of(const at::Tensor& tensor) {
  return {tensor.data_ptr(), static_cast<std::size_t>(tensor.numel()), Dtype::kFloat32};
}

}  // namespace

TEST_CASE("collectives between GPUs give the right elements, in every type and beside those in host memory") {
  const auto body = [](Communicator& c) {
    GpuMemory memory;
    std::string wrong;
    for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kBFloat16, Dtype::kInt64}) {
      for (const std::size_t count : {0, 1, 1000, 100003}) {
        wrong += try_collectives(c, count, dtype, memory);
        wrong += try_collectives(c, count, dtype);
      }
    }
    if (agree_on_sum(c, std::int64_t{c.rank() + 1}) != 3) wrong += "agreement\n";
    return wrong;
  };
  CHECK(run_on_gpus(2, body) == Texts(2));
}

TEST_CASE("a gang of one copies between buffers on its GPU") {
  const auto body = [](Communicator& c) {
    GpuMemory memory;
    return try_collectives(c, 1000, Dtype::kFloat32, memory) + try_collectives(c, 1000, Dtype::kFloat32);
  };
  CHECK(run_on_gpus(1, body) == Texts(1));
}

TEST_CASE("an exchange between GPUs goes both ways at once") {
  const auto body = [](Communicator& c) {
    GpuMemory memory;
    std::string wrong;
    const int peer = 1 - c.rank();
    for (const std::size_t there : {0, 5, 1 << 20}) {
      for (const std::size_t back : {0, 7, 1 << 20}) {
        const Numbers out(
            c.rank() == 0 ? there : back, Dtype::kFloat32, [&](auto i) { return value_of(c.rank(), i); },
            memory);
        const Numbers in(
            c.rank() == 0 ? back : there, Dtype::kFloat32, [](auto) { return 0.0; }, memory);
        c.exchange(out.buffer(), in.buffer(), peer);
        wrong += in.differs("exchange", [&](auto i) { return value_of(peer, i); });
        c.barrier();
      }
    }
    return wrong;
  };
  CHECK(run_on_gpus(2, body) == Texts(2));
}

TEST_CASE("a collective on a side stream is ordered with the others by events") {
  const auto body = [](Communicator& c) -> std::string {
    const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    const c10::Device device = test::gpu().device();
    const c10::Stream side = guard.getStreamFromGlobalPool(device);
    for (int round = 0; round < 20; ++round) {
      at::Tensor tensor = ones(1 << 20).mul_(round + 1);
      c10::Event made(device.type()), reduced(device.type());
      made.record(guard.getStream(device));
      made.block(side);
      {
        const c10::StreamGuard on(side);
        c.all_reduce(buffer_of(tensor), Reduction::kSum);
      }
      reduced.record(side);
      reduced.block(guard.getStream(device));
      const double sum = tensor.sum().item<double>();
      if (sum != 2.0 * (round + 1) * (1 << 20)) return fmt::format("round {}: the sum is {}", round, sum);
    }
    return "";
  };
  CHECK(run_on_gpus(2, body) == Texts(2));
}

TEST_CASE("a rank that is killed ends the kernels of the others, which name it") {
  ProcessGang gang(
      2,
      [](Communicator& c) {
        at::Tensor tensor = ones(1 << 20);
        c.all_reduce(buffer_of(tensor), Reduction::kSum);
        c.barrier();
        if (c.rank() == 1) ::raise(SIGKILL);
        return error_of([&] {
          c.all_reduce(buffer_of(tensor), Reduction::kSum);
          c.barrier();
        });
      },
      gpu_rank(2));
  const std::string reason = fmt::format("rank 1 (process {}) died", gang.process(1));
  CHECK((gang.results() == Texts{reason, "killed by signal 9"}));
}

TEST_CASE("an abort ends kernels that wait, and a new generation works") {
  const Rendezvous rendezvous;
  const auto make = [&](const std::string&, int rank) { return gpu_rank(2)(rendezvous.path(), rank); };
  ProcessGang gang(
      2,
      [&](Communicator& c) {
        at::Tensor tensor = ones(1 << 20);
        if (c.rank() == 1) c.abort("rank 1: out of memory");
        const std::string first = error_of([&] {
          c.all_reduce(buffer_of(tensor), Reduction::kSum);
          c.barrier();
        });
        const auto next = test::gpu().make_communicator({rendezvous.path(), c.rank(), 2, Seconds(60), 1});
        tensor = ones(1000);
        next->all_reduce(buffer_of(tensor), Reduction::kSum);
        return fmt::format("{}; then {}", first, tensor.sum().item<double>());
      },
      make);
  CHECK(gang.results() == Texts(2, "rank 1: out of memory; then 2000"));
}

TEST_CASE("memory over the budget throws, and the GPU can be used on") {
  const auto body = [](Communicator&) -> std::string {
    Accelerator& gpu = test::gpu();
    const auto mebibytes = [&](std::int64_t count) {
      return at::full({count << 20}, 1, at::TensorOptions(at::kByte).device(gpu.device()));
    };
    gpu.set_memory_budget(Bytes{512} << 20);
    gpu.reset_peak_memory();
    const Bytes before = gpu.memory_in_use();
    std::string said;
    {
      const at::Tensor fits = mebibytes(100);
      if (gpu.memory_in_use() - before < 100 << 20) said += "in use is too little; ";
      try {
        mebibytes(600);
        said += "600 MiB were to be had; ";
      } catch (const c10::OutOfMemoryError& error) {
        const std::string text = error.what_without_backtrace();
        if (text.find("out of memory") == std::string::npos) said += text;
      }
    }
    gpu.release_freed_memory();
    if (gpu.memory_in_use() != before) said += "memory is lost; ";
    if (mebibytes(400).sum().item<std::int64_t>() != 400 << 20) said += "a wrong sum; ";
    const Bytes peak = gpu.peak_memory() - before;
    if (peak < Bytes{400} << 20 || peak > Bytes{512} << 20) said += fmt::format("the peak is {}; ", peak);
    return said;
  };
  CHECK(run_on_gpus(1, body) == Texts(1));
}

}  // namespace saturn::gpu_communicator_test
