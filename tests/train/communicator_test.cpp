// SPDX-License-Identifier: Apache-2.0
#include "train/communicator.h"

#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include "train/communicator_bodies.h"
#include "train/gang.h"
#include "train/reduce.h"

namespace saturn::communicator_test {

TEST_CASE("every collective gives the right elements between threads") {
  for (int size = 1; size <= 4; ++size) CHECK(run_as_threads(size, try_everything) == nothing_wrong(size));
}

TEST_CASE("every collective gives the right elements between processes") {
  for (int size = 1; size <= 4; ++size) CHECK(run_as_processes(size, try_everything) == nothing_wrong(size));
}

TEST_CASE("additions are made in the order of the ranks, whatever the size") {
  CHECK(run_as_processes(3, try_orders) == nothing_wrong(3));
  CHECK(run_as_processes(2, try_orders) == nothing_wrong(2));
}

TEST_CASE("bfloat16 is added in float and rounded once, to even") {
  Numbers ones(3, Dtype::kBFloat16, [](auto i) { return i == 0 ? 1.0 : i == 1 ? 256.0 : NAN; });
  Numbers more(3, Dtype::kBFloat16, [](auto i) { return i == 0 ? 1.0 / 256 : i == 1 ? 3.0 : 0.0; });
  const void* sources[] = {ones.buffer().data, more.buffer().data};
  reduce(sources, 3, Dtype::kBFloat16, Reduction::kSum, ones.buffer().data);
  const auto element = [&](int i) {
    return Element::get(static_cast<const std::byte*>(ones.buffer().data) + 2 * i, Dtype::kBFloat16);
  };
  CHECK(element(0) == 1.0);    // 1 + 2^-8 lies halfway: the even neighbour
  CHECK(element(1) == 260.0);  // 259 lies halfway between 258 and 260: the even one
  CHECK(std::isnan(element(2)));
}

TEST_CASE("send returns before the message is received when it fits into the buffers") {
  const auto body = [](Communicator& c) {
    Numbers out(1000, Dtype::kFloat32, [&](auto i) { return value_of(c.rank(), i); });
    Numbers in(1000, Dtype::kFloat32, [](auto) { return 0.0; });
    const int peer = 1 - c.rank();
    c.send(out.buffer(), peer);
    c.receive(in.buffer(), peer);
    return in.differs("message", [&](auto i) { return value_of(peer, i); });
  };
  CHECK(run_as_processes(2, body) == nothing_wrong(2));
}

TEST_CASE("two ranks swap buffers of any two sizes") {
  CHECK(run_as_threads(2, try_exchanges) == nothing_wrong(2));
  CHECK(run_as_processes(2, try_exchanges) == nothing_wrong(2));
}

TEST_CASE("four ranks exchange with one peer after the other") {
  CHECK(run_as_processes(4, try_exchanges_of_four) == nothing_wrong(4));
}

TEST_CASE("an exchange with a rank that is killed names it, and one that does not match says why") {
  ProcessGang gang(2, [](Communicator& c) {
    Numbers numbers(9 * kSmall.channel_bytes, Dtype::kFloat32, [](auto) { return 1.0; });
    Numbers other = numbers;
    if (c.rank() == 1) ::raise(SIGKILL);
    return error_of([&] { c.exchange(numbers.buffer(), other.buffer(), 1); });
  });
  const std::string reason = fmt::format("rank 1 (process {}) died", gang.process(1));
  CHECK(gang.results() == std::vector<std::string>{reason, "killed by signal 9"});
  const auto body = [](Communicator& c) {
    Numbers out(4, Dtype::kFloat32, [](auto) { return 1.0; });
    Numbers in(c.rank() == 0 ? 4 : 5, Dtype::kFloat32, [](auto) { return 1.0; });
    return error_of([&] {
      c.exchange(out.buffer(), in.buffer(), 1 - c.rank());
      c.barrier();
    });
  };
  const std::string mismatch = "rank 0 sends a message of 4 float32, rank 1 expects a message of 5 float32";
  CHECK(run_as_processes(2, body) == std::vector<std::string>{mismatch, mismatch});
}

TEST_CASE("a rank that is killed ends the collectives of the others, which name it") {
  ProcessGang gang(3, [](Communicator& c) {
    Numbers numbers(std::size_t{1} << 20, Dtype::kFloat32, [](auto) { return 1.0; });
    return error_of([&] {
      for (int i = 0; i < 1000000; ++i) {
        if (c.rank() == 2 && i == 3) ::raise(SIGKILL);
        c.all_reduce(numbers.buffer(), Reduction::kSum);
      }
    });
  });
  const std::string reason = fmt::format("rank 2 (process {}) died", gang.process(2));
  CHECK(gang.results() == std::vector<std::string>{reason, reason, "killed by signal 9"});
}

TEST_CASE("a rank that leaves is missed by those who wait for it, and only by them") {
  const auto body = [](Communicator& c) {
    c.barrier();
    if (c.rank() == 1) return std::string("left");
    return error_of([&] { c.barrier(); });
  };
  const std::vector<std::string> reasons = run_as_threads(2, body);
  CHECK(reasons[0] == fmt::format("rank 1 (process {}) has left", ::getpid()));
  CHECK(reasons[1] == "left");
}

TEST_CASE("an abort reaches every rank with its first reason and stays") {
  const auto body = [](Communicator& c) {
    if (c.rank() == 1) {
      c.abort("out of memory on rank 1");
      c.abort("a second reason");
    }
    const std::string first = error_of([&] { c.barrier(); });
    double flag = 0;
    const std::string second = error_of([&] { c.send({&flag, 1, Dtype::kFloat64}, 1 - c.rank()); });
    return first + " / " + second + " / " + c.aborted();
  };
  const std::string reason = "out of memory on rank 1";
  const std::string all = reason + " / " + reason + " / " + reason;
  CHECK(run_as_processes(2, body) == std::vector<std::string>{all, all});
}

TEST_CASE("a rank that does not come within the time limit is named") {
  const auto body = [](Communicator& c) {
    if (c.rank() == 0) return error_of([&] { c.barrier(); });
    while (c.aborted().empty()) ::usleep(1000);
    return c.aborted();
  };
  const std::string reason = "rank 0 waited 1 s for rank 1, which did not come";
  CHECK(run_as_processes(2, body, Seconds(1)) == std::vector<std::string>{reason, reason});
}

TEST_CASE("a rank that never starts is named") {
  const Rendezvous rendezvous;
  CHECK(error_of([&] { make_shared_memory_communicator(rendezvous.path(), 0, 2, Seconds(0.1)); }) ==
        "rank 0 waited 100 ms for rank 1, which did not come");
}

TEST_CASE("ranks that call different things are told what") {
  const auto both = [](const RankBody& body, const std::string& reason) {
    CHECK(run_as_processes(2, body) == std::vector<std::string>{reason, reason});
  };
  both(
      [](Communicator& c) {
        Numbers numbers(c.rank() == 0 ? 4 : 5, Dtype::kFloat32, [](auto) { return 1.0; });
        return error_of([&] { c.all_reduce(numbers.buffer(), Reduction::kSum); });
      },
      "rank 1 calls all_reduce of 5 float32 (sum), rank 0 calls all_reduce of 4 float32 (sum)");
  both(
      [](Communicator& c) {
        Numbers numbers(4, Dtype::kInt64, [](auto) { return 1.0; });
        return error_of([&] {
          if (c.rank() == 0) c.barrier();
          c.broadcast(numbers.buffer(), 0);
        });
      },
      "rank 1 calls broadcast of 4 int64 from rank 0, rank 0 calls barrier");
  both(
      [](Communicator& c) {
        Numbers numbers(c.rank() == 0 ? 4 : 5, Dtype::kBFloat16, [](auto) { return 1.0; });
        return error_of([&] {
          if (c.rank() == 0) c.send(numbers.buffer(), 1);
          if (c.rank() == 1) c.receive(numbers.buffer(), 0);
          c.barrier();
        });
      },
      "rank 0 sends a message of 4 bfloat16, rank 1 expects a message of 5 bfloat16");
}

TEST_CASE("a rendezvous file serves one gang of one size, and one process a rank") {
  const Rendezvous rendezvous;
  const SharedSegment segment(rendezvous.path(), 2);
  CHECK(error_of([&] { const SharedSegment other(rendezvous.path(), 3); }) ==
        rendezvous.path() + " is for 2 ranks, not for 3");
  segment.enter(1);
  CHECK(error_of([&] { segment.enter(1); }) ==
        fmt::format("rank 1 of {} is taken by process {}", rendezvous.path(), ::getpid()));
}

TEST_CASE("after a failure the ranks meet again in the next generation") {
  const Rendezvous rendezvous;
  std::vector<std::string> results(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      for (int generation = 0; generation < 3; ++generation) {
        const auto c = make_shared_memory_communicator(rendezvous.path(), rank, 2, Seconds(60), generation);
        if (rank == 1) c->abort(fmt::format("failure {}; ", generation));
        results[std::size_t(rank)] += error_of([&] { c->barrier(); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(results == std::vector<std::string>(2, "failure 0; failure 1; failure 2; "));
}

TEST_CASE("a rank that dies between two generations is named at once") {
  const Rendezvous rendezvous;
  const auto meet = [&](int rank, int generation) {
    make_shared_memory_communicator(rendezvous.path(), rank, 2, Seconds(60), generation);
  };
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(error_of([&] { meet(1, 0); }) == "nothing thrown" ? 0 : 1);
  }
  meet(0, 0);
  // Not waited for before: a zombie is dead, too.
  CHECK(error_of([&] { meet(0, 1); }) == fmt::format("rank 1 (process {}) died", child));
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("a file that is something else is not used as a rendezvous") {
  const Rendezvous rendezvous;
  const FileDescriptor file(::open(rendezvous.path().c_str(), O_WRONLY));
  REQUIRE(write_all(file.get(), "precious text") == 0);
  CHECK(error_of([&] { const SharedSegment other(rendezvous.path(), 2); }) ==
        rendezvous.path() + " is no rendezvous file of this version");
  CHECK(error_of([] { const SharedSegment other("/nowhere/file", 2); }) ==
        "cannot open the rendezvous file /nowhere/file: No such file or directory");
}

TEST_CASE("a gang of one copies, and can be aborted") {
  const auto single = make_single_communicator();
  CHECK(try_everything(*single) == "");
  single->abort("enough");
  CHECK(error_of([&] { single->barrier(); }) == "enough");
}

}  // namespace saturn::communicator_test
