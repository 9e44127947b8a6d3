// SPDX-License-Identifier: Apache-2.0
// NcclCommunicator on a fake CUDA and a fake NCCL (fake_gpu.h). On real ones: gpu_communicator_test.cpp.
#include "train/cuda/nccl_communicator.h"

#include <atomic>
#include <doctest/doctest.h>
#include <functional>

#include "base/socket.h"
#include "train/fake_gpu.h"
#include "train/gang.h"
#include "train/hosts_communicator.h"

namespace saturn::nccl_communicator_test {

namespace {

using Texts = std::vector<std::string>;

/// By rank.
using MakeNccl = std::function<std::unique_ptr<Communicator>(int rank)>;

/// Ranks as threads, each with a stream of its own.
Texts run_ranks(int size, const RankBody& body, const MakeNccl& make) {
  Texts results(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      fake_gpu::current_stream();  // outlives the communicator
      std::string& result = results[static_cast<std::size_t>(rank)];
      try {
        const auto communicator = make(rank);
        result = body(*communicator);
      } catch (const std::exception& error) {
        result = std::string("threw: ") + error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

CudaPlace current_place() {
  return {0, fake_gpu::current_stream};
}

Texts run_on_gpus(int size, const RankBody& body, Seconds timeout = Seconds(60)) {
  const Rendezvous rendezvous;
  const auto segment = std::make_shared<const SharedSegment>(rendezvous.path(), size, kSmall);
  return run_ranks(size, body, [&](int rank) {
    return std::make_unique<NcclCommunicator>(segment, make_communicator_on(segment, rank, timeout), timeout,
                                              current_place());
  });
}

/// Two hosts of two ranks each, which meet by TCP on this one.
Texts run_on_two_hosts(const RankBody& body) {
  constexpr Seconds kTimeout{60};
  const Rendezvous rendezvous[2];
  const FileDescriptor listener = listen_at_any_port();
  const GangAddress address = make_gang_address(listener.get());
  return run_ranks(4, body, [&](int rank) {
    const GangHosts hosts{.ranks = {2, 2}, .address = address, .listener = rank == 0 ? listener.get() : -1};
    auto segment = segment_of_host(rendezvous[rank / 2].path(), rank, hosts, 0);
    auto host = std::make_unique<HostsCommunicator>(segment, rank, hosts, kTimeout, 0);
    return std::make_unique<NcclCommunicator>(std::move(segment), std::move(host), kTimeout, current_place());
  });
}

Texts nothing_wrong(int size) {
  return Texts(static_cast<std::size_t>(size));
}

Numbers ones(std::size_t count, Memory& memory) {
  return Numbers(
      count, Dtype::kFloat32, [](auto) { return 1.0; }, memory);
}

}  // namespace

TEST_CASE("collectives on the GPU and in host memory give the right elements, in any mixture") {
  const auto body = [](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    std::string wrong;
    for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kBFloat16, Dtype::kInt64}) {
      for (const std::size_t count : {0, 1, 1000, 5000}) {
        wrong += try_collectives(c, count, dtype, gpu);
        wrong += try_collectives(c, count, dtype);
      }
    }
    return wrong;
  };
  for (int size = 2; size <= 4; ++size) CHECK(run_on_gpus(size, body) == nothing_wrong(size));
  CHECK(run_on_two_hosts(body) == nothing_wrong(4));
  CHECK(fake_gpu::live_communicators() == 0);
}

TEST_CASE("an exchange on the GPU goes both ways at once, also when one of them is empty") {
  const auto body = [](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    std::string wrong;
    const int peer = 1 - c.rank();
    for (const std::size_t there : {0, 5, 3000}) {
      for (const std::size_t back : {0, 7, 3000}) {
        Numbers out(
            c.rank() == 0 ? there : back, Dtype::kFloat32, [&](auto i) { return value_of(c.rank(), i); },
            gpu);
        Numbers in(
            c.rank() == 0 ? back : there, Dtype::kFloat32, [](auto) { return 0.0; }, gpu);
        c.exchange(out.buffer(), in.buffer(), peer);
        wrong += in.differs("exchange", [&](auto i) { return value_of(peer, i); });
        c.barrier();  // what was sent has been taken
      }
    }
    return wrong;
  };
  CHECK(run_on_gpus(2, body) == nothing_wrong(2));
}

TEST_CASE("a collective on the GPU is queued: it returns before the peers come") {
  std::atomic<bool> queued = false;
  const auto body = [&](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    const Numbers numbers = ones(100, gpu);
    if (c.rank() == 1) {
      while (!queued) std::this_thread::yield();
    }
    c.all_reduce(numbers.buffer(), Reduction::kSum);
    if (c.rank() == 0) queued = true;
    return numbers.differs("all_reduce", [](auto) { return 2.0; });
  };
  CHECK(run_on_gpus(2, body) == nothing_wrong(2));
}

TEST_CASE("an abort ends what is queued on every rank, and its reason is the next call's error") {
  const auto body = [](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    const Numbers numbers = ones(100, gpu);
    if (c.rank() == 1) c.abort("out of memory on rank 1");
    std::string said;
    if (c.rank() == 0) said = error_of([&] { c.all_reduce(numbers.buffer(), Reduction::kSum); });
    if (said != "nothing thrown") said = "";  // the abort may come first
    cudaStreamSynchronize(fake_gpu::current_stream());
    while (c.aborted().empty()) std::this_thread::yield();
    said = error_of([&] { c.all_reduce(numbers.buffer(), Reduction::kSum); });
    return said + " / " + error_of([&] { c.barrier(); }) + " / " + c.aborted();
  };
  const std::string reason = "out of memory on rank 1";
  CHECK(run_on_gpus(2, body) == Texts(2, reason + " / " + reason + " / " + reason));
  CHECK(run_on_two_hosts(body) == Texts(4, reason + " / " + reason + " / " + reason));
  CHECK(fake_gpu::live_communicators() == 0);
}

TEST_CASE("an error that NCCL reports later ends the gang with its words") {
  const auto body = [](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    const Numbers numbers = ones(100, gpu);
    c.all_reduce(numbers.buffer(), Reduction::kSum);
    c.barrier();
    if (c.rank() == 1) fake_gpu::report_error(1, ncclRemoteError);
    while (c.aborted().empty()) std::this_thread::yield();
    return error_of([&] { c.all_reduce(numbers.buffer(), Reduction::kSum); });
  };
  CHECK(run_on_gpus(2, body) == Texts(2, "rank 1: a collective: NCCL: an error of NCCL: in full"));
  fake_gpu::report_error(1, ncclSuccess);
  CHECK(fake_gpu::live_communicators() == 0);
}

TEST_CASE("an error while the ranks meet is every rank's") {
  fake_gpu::report_error(1, ncclSystemError);
  const auto results = run_on_gpus(2, [](Communicator&) { return std::string("met"); });
  CHECK(results == Texts(2, "threw: rank 1: meeting: NCCL: an error of NCCL: in full"));
  fake_gpu::report_error(1, ncclSuccess);
  CHECK(fake_gpu::live_communicators() == 0);
}

TEST_CASE("a peer that lives but does not come is waited for no longer than the time limit") {
  const auto body = [](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    const Numbers numbers = ones(100, gpu);
    if (c.rank() == 1) {
      while (c.aborted().empty()) std::this_thread::yield();
      return c.aborted();
    }
    c.all_reduce(numbers.buffer(), Reduction::kSum);
    return error_of([&] { c.barrier(); });
  };
  CHECK(run_on_gpus(2, body, Seconds(0.5)) ==
        Texts(2, "rank 0 waited 500 ms for the other ranks in a collective on its GPU"));
}

TEST_CASE("a peer that leaves is missed by the collective that waits for it") {
  const auto body = [](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    const Numbers numbers = ones(100, gpu);
    c.all_reduce(numbers.buffer(), Reduction::kSum);
    c.barrier();
    if (c.rank() == 1) return std::string("left");
    c.all_reduce(numbers.buffer(), Reduction::kSum);
    return error_of([&] { c.barrier(); });
  };
  CHECK(run_on_gpus(2, body) == Texts{fmt::format("rank 1 (process {}) has left", ::getpid()), "left"});
}

TEST_CASE("one buffer on the GPU and the other in host memory are refused") {
  const auto body = [](Communicator& c) {
    fake_gpu::DeviceMemory gpu;
    const Numbers part = ones(10, gpu), whole = ones(20, host_memory());
    return error_of([&] { c.all_gather(part.buffer(), whole.buffer()); });
  };
  CHECK(run_on_gpus(2, body) == Texts(2, "one buffer is in host memory and the other on the GPU"));
}

}  // namespace saturn::nccl_communicator_test
