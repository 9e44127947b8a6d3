// SPDX-License-Identifier: Apache-2.0
// What communicator_test.cpp asks of ranks on one host, of ranks on several, and what only those can do
// wrong.
#include "train/hosts_communicator.h"

#include <chrono>
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "train/communicator_bodies.h"
#include "train/hosts_gang.h"

namespace saturn::hosts_communicator_test {

namespace {

using Layout = std::vector<int>;

int total(const Layout& layout) {
  return std::accumulate(layout.begin(), layout.end(), 0);
}

std::string died(int rank, int process) {
  return fmt::format("rank {} (process {} on {}) died", rank, process, host_name());
}

/// All-reduces until something ends them; rank `victim` does `act` in the fourth.
RankBody reduce_until(int victim, const std::function<void(Communicator&)>& act) {
  return [=](Communicator& c) {
    Numbers numbers(std::size_t{1} << 18, Dtype::kFloat32, [](auto) { return 1.0; });
    return error_of([&] {
      for (int i = 0; i < 1000000; ++i) {
        if (c.rank() == victim && i == 3) act(c);
        c.all_reduce(numbers.buffer(), Reduction::kSum);
      }
    });
  };
}

void kill_me(Communicator&) {
  ::raise(SIGKILL);
}

}  // namespace

TEST_CASE("ranks know their hosts") {
  const HostLayout layout({2, 1, 3});
  CHECK(layout.size() == 6);
  CHECK(layout.hosts() == 3);
  CHECK(layout.lanes() == 1);
  CHECK(layout.host_of(1) == 0);
  CHECK(layout.host_of(2) == 1);
  CHECK(layout.host_of(5) == 2);
  CHECK(layout.leads(3));
  CHECK_FALSE(layout.leads(4));
  CHECK(layout.partner(5, 0) == 0);
  CHECK(layout.partner(4, 0) == 1);
  CHECK(layout.partner(5, 1) == 2);
  CHECK(HostLayout({2, 3}).lanes() == 2);
}

TEST_CASE("every collective gives the right elements between hosts") {
  for (const Layout& layout :
       std::vector<Layout>{{1, 1}, {2, 1}, {1, 2}, {2, 2}, {1, 1, 1}, {2, 1, 3}, {1, 3, 1, 2}}) {
    CAPTURE(fmt::format("{}", total(layout)));
    CHECK(run_on_hosts(layout, try_everything) == nothing_wrong(total(layout)));
  }
}

TEST_CASE("additions are made in the order of the ranks, however they lie on the hosts") {
  for (const Layout& layout : std::vector<Layout>{{1, 1}, {2, 2}, {1, 2}, {3, 1}, {1, 1, 1}, {2, 1, 2}})
    CHECK(run_on_hosts(layout, try_orders) == nothing_wrong(total(layout)));
}

TEST_CASE("ranks of two hosts swap buffers of any two sizes") {
  CHECK(run_on_hosts({1, 1}, try_exchanges) == nothing_wrong(2));
  CHECK(run_on_hosts({2, 2}, try_exchanges_of_four) == nothing_wrong(4));
  CHECK(run_on_hosts({1, 3}, try_exchanges_of_four) == nothing_wrong(4));
}

TEST_CASE("a message may be on its way while collectives go by") {
  const auto body = [](Communicator& c) {
    Numbers out(5000, Dtype::kFloat32, [&](auto i) { return value_of(c.rank(), i); });
    Numbers in(5000, Dtype::kFloat32, [](auto) { return 0.0; });
    Numbers sum(5000, Dtype::kFloat32, [](auto) { return 1.0; });
    const int peer = 1 - c.rank();
    c.send(out.buffer(), peer);
    c.barrier();
    c.all_reduce(sum.buffer(), Reduction::kSum);
    c.receive(in.buffer(), peer);
    return in.differs("message", [&](auto i) { return value_of(peer, i); }) +
           sum.differs("all_reduce", [](auto) { return 2.0; });
  };
  CHECK(run_on_hosts({1, 1}, body) == nothing_wrong(2));
}

TEST_CASE("hosts meet by IPv6") {
  const MadeUpHosts hosts({1, 2}, "::1");
  CHECK(ProcessGang(3, try_orders, hosts.maker()).results() == nothing_wrong(3));
}

TEST_CASE("rank 0 is reached by the name that answers") {
  MadeUpHosts hosts({1, 1});
  hosts.hosts().address.hosts = {"no-such-host.invalid", "127.0.0.1"};
  CHECK(ProcessGang(2, try_orders, hosts.maker()).results() == nothing_wrong(2));
}

TEST_CASE("a rank that is killed ends the collectives of all hosts, which name it") {
  for (const auto& [layout, victim] : std::vector<std::pair<Layout, int>>{
           {{1, 1}, 0}, {{1, 1}, 1}, {{2, 2}, 0}, {{2, 2}, 1}, {{2, 2}, 2}, {{2, 2}, 3}, {{1, 1, 1}, 1}}) {
    const MadeUpHosts hosts(layout);
    const double start = steady_seconds();
    ProcessGang gang(total(layout), reduce_until(victim, kill_me), hosts.maker());
    std::vector<std::string> expected(std::size_t(total(layout)), died(victim, gang.process(victim)));
    expected[std::size_t(victim)] = "killed by signal 9";
    CHECK(gang.results() == expected);
    CHECK(steady_seconds() - start < 5);
  }
}

TEST_CASE("an abort reaches every rank of every host with its first reason and stays") {
  for (const int victim : {0, 1, 2, 3}) {
    const auto body = [victim](Communicator& c) {
      if (c.rank() == victim) {
        c.abort("out of memory");
        c.abort("a second reason");
      }
      const std::string first = error_of([&] {
        for (int i = 0; i < 1000; ++i) c.barrier();
      });
      const std::string second = error_of([&] { c.barrier(); });
      return first + " / " + second + " / " + c.aborted();
    };
    CHECK(run_on_hosts({2, 2}, body) ==
          std::vector<std::string>(4, "out of memory / out of memory / out of memory"));
  }
}

TEST_CASE("an abort wakes ranks that compute nothing and wait for nothing") {
  const auto body = [](Communicator& c) {
    if (c.rank() == 3) c.abort("enough");
    const double start = steady_seconds();
    while (c.aborted().empty() && steady_seconds() - start < 20) ::usleep(1000);
    return c.aborted() + (steady_seconds() - start < 2 ? "" : " late");
  };
  CHECK(run_on_hosts({1, 1, 2}, body) == std::vector<std::string>(4, "enough"));
}

TEST_CASE("a rank that leaves is missed by those who wait for it, and only by them") {
  const MadeUpHosts hosts({1, 1});
  ProcessGang gang(
      2,
      [](Communicator& c) {
        c.barrier();
        if (c.rank() == 1) return std::string("left");
        ::usleep(200000);
        const std::string before = c.aborted();
        Numbers numbers(10, Dtype::kFloat32, [](auto) { return 1.0; });
        return before + error_of([&] { c.receive(numbers.buffer(), 1); });
      },
      hosts.maker());
  const std::string left = fmt::format("rank 1 (process {} on {}) has left", gang.process(1), host_name());
  CHECK(gang.results() == std::vector<std::string>{left, "left"});
}

TEST_CASE("a rank that is late for longer than a host may be silent is waited for") {
  MadeUpHosts hosts({1, 1});
  hosts.hosts().silence = Seconds(1);
  const auto body = [](Communicator& c) {
    const std::size_t count = std::size_t{8} << 20;  // more than the kernel keeps
    Numbers sum(count, Dtype::kFloat32, [](auto) { return 1.0; });
    Numbers message = sum;
    if (c.rank() == 1) ::sleep(4);
    c.all_reduce(sum.buffer(), Reduction::kSum);
    if (c.rank() == 1) ::sleep(4);
    if (c.rank() == 0) c.send(message.buffer(), 1);
    if (c.rank() == 1) c.receive(message.buffer(), 0);
    return sum.differs("all_reduce", [](auto) { return 2.0; });
  };
  CHECK(ProcessGang(2, body, hosts.maker()).results() == nothing_wrong(2));
}

TEST_CASE("a rank of another host that does not come within the time limit is named") {
  const auto body = [](Communicator& c) {
    if (c.rank() == 0) {
      const std::string error = error_of([&] { c.barrier(); });
      return error.substr(0, error.find(" (")) + error.substr(error.find("), "));
    }
    while (c.aborted().empty()) ::usleep(1000);
    return std::string("told");
  };
  CHECK(run_on_hosts({1, 1}, body, Seconds(1)) ==
        std::vector<std::string>{"rank 0 waited 1 s for rank 1), which did not come", "told"});
}

TEST_CASE("a rank that never starts is named, to all who came") {
  const MadeUpHosts hosts({1, 2});
  std::vector<std::string> results(2);
  std::vector<std::thread> threads;
  for (const int rank : {0, 1}) {
    threads.emplace_back([&, rank] {
      results[std::size_t(rank)] = error_of([&] { hosts.make(rank, Seconds(rank == 0 ? 0.5 : 60)); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(results == std::vector<std::string>(2, "rank 0 waited 500 ms for rank 2, which did not come"));
}

TEST_CASE("a rank of another PyTorch is refused, on all hosts") {
  MadeUpHosts hosts({1, 1, 1});
  const auto make = [&](const std::string&, int rank) {
    MadeUpHosts& mine = hosts;
    mine.hosts().software = rank == 2 ? "PyTorch 2.10.0" : "PyTorch 2.11.0";
    return mine.make(rank, Seconds(60));
  };
  const auto results = ProcessGang(
                           3, [](Communicator&) { return std::string("met"); }, make)
                           .results();
  for (const std::string& result : results) {
    CHECK(result.find("has PyTorch 2.10.0, rank 0 (process ") != std::string::npos);
    CHECK(result.find("has PyTorch 2.11.0: all nodes need the same") != std::string::npos);
  }
}

TEST_CASE("a rank that dies while the gang meets is named") {
  const MadeUpHosts hosts({1, 2});
  ProcessGang gang(
      2, [](Communicator&) { return std::string(); },
      [&](const std::string&, int rank) -> std::unique_ptr<Communicator> {
        if (rank == 1) ::alarm(1);
        return hosts.make(rank, Seconds(60));  // rank 2 never comes
      });
  const std::string reason = died(1, gang.process(1)) + " while the gang met";
  CHECK(gang.results() == std::vector<std::string>{"threw: " + reason, "killed by signal 14"});
}

TEST_CASE("ranks of two hosts that call different things are told what") {
  const auto both = [](const RankBody& body, const std::string& reason) {
    CHECK(run_on_hosts({1, 1}, body) == std::vector<std::string>{reason, reason});
  };
  both(
      [](Communicator& c) {
        Numbers numbers(c.rank() == 0 ? 4 : 5, Dtype::kFloat32, [](auto) { return 1.0; });
        return error_of([&] {
          c.all_reduce(numbers.buffer(), Reduction::kSum);
          c.barrier();
        });
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

TEST_CASE("who does not know the token cannot join, nor hold up those who do") {
  const MadeUpHosts hosts({1, 1});
  MadeUpHosts guessed({1, 1});
  const int port = const_cast<MadeUpHosts&>(hosts).hosts().address.port;
  std::string why;
  const FileDescriptor silent = connect_to("127.0.0.1", port, Seconds(5), why);
  const FileDescriptor chatty = connect_to("127.0.0.1", port, Seconds(5), why);
  REQUIRE(silent);
  REQUIRE(chatty);
  const std::string request = "GET / HTTP/1.1\r\n\r\n" + std::string(4096, 'x');
  REQUIRE(send_all(chatty.get(), request.data(), request.size(), Seconds(5)) == 0);
  // A gang of the same shape with another token comes to the wrong port.
  guessed.hosts().address.port = port;
  std::string stranger;
  std::thread other([&] { stranger = error_of([&] { guessed.make(1, Seconds(1)); }); });
  CHECK(ProcessGang(2, try_orders, hosts.maker()).results() == nothing_wrong(2));
  other.join();
  CHECK(stranger == "rank 1 waited 1 s for rank 0, which did not come");
  char byte = 0;
  CHECK(receive_all(chatty.get(), &byte, 1, Seconds(5)) == ECONNRESET);
}

TEST_CASE("after a failure the ranks meet again in the next generation") {
  const MadeUpHosts hosts({2, 1});
  std::vector<std::string> results(3);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 3; ++rank) {
    threads.emplace_back([&, rank] {
      for (int generation = 0; generation < 4; ++generation) {
        const auto c = hosts.make(rank, Seconds(60), generation);
        if (rank == generation) c->abort(fmt::format("failure {}; ", generation));
        if (generation == 3) {
          results[std::size_t(rank)] += try_orders(*c);
        } else {
          results[std::size_t(rank)] += error_of([&] {
            for (int i = 0; i < 1000; ++i) c->barrier();
          });
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(results == std::vector<std::string>(3, "failure 0; failure 1; failure 2; "));
}

}  // namespace saturn::hosts_communicator_test
