// SPDX-License-Identifier: Apache-2.0
#include "plan/milp/milp.h"

#include <atomic>
#include <csignal>
#include <doctest/doctest.h>
#include <signal.h>
#include <thread>

namespace saturn::milp_test {
namespace {

/// Least 3 a + 2 b with a + b >= 3.5 and a <= 2, whole numbers: a = 0, b = 4.
Milp small() {
  Milp milp;
  const int a = milp.add_column({0, 2, 3, true});
  const int b = milp.add_column({0, 10, 2, true});
  milp.add_at_least({{a, 1}, {b, 1}}, 3.5);
  return milp;
}

TEST_CASE("CBC's optimum comes back in whole numbers") {
  const MilpResult result = solve_milp(small(), {Seconds(10), false, {}});
  CHECK(result.status == MilpStatus::kOptimal);
  CHECK(result.objective == 8);
  CHECK(result.values == std::vector<double>{0, 4});
}

TEST_CASE("An infeasible program is told from one that ran out of time") {
  Milp milp = small();
  milp.add_at_most({{0, 1}, {1, 1}}, 3);
  CHECK(solve_milp(milp, {Seconds(10), false, {}}).status == MilpStatus::kInfeasible);
  CHECK(solve_milp(milp, {Seconds(0), false, {}}).status == MilpStatus::kUnknown);
}

TEST_CASE("A start that is no solution is never read as infeasible") {
  MilpOptions options{Seconds(10), false, {{0, 2.0}, {1, 0.0}}};
  const MilpResult result = solve_milp(small(), options);
  CHECK(result.status == MilpStatus::kOptimal);
  CHECK(result.objective == 8);
}

TEST_CASE("The first solution is enough when it is asked for") {
  const MilpResult result = solve_milp(small(), {Seconds(10), true, {}});
  CHECK((result.status == MilpStatus::kFeasible || result.status == MilpStatus::kOptimal));
  REQUIRE(result.values.size() == 2);
  CHECK(result.values[0] + result.values[1] >= 3.5);
}

/// Clp holds costs of 1e25 and more for impossible, and asserts that there are none.
Milp one_that_fails_an_assertion() {
  Milp milp = small();
  milp.columns[0].cost = 1e30;
  return milp;
}

TEST_CASE("A failed assertion inside CBC ends that solve only") {
  const MilpOptions options{Seconds(10), false, {}};
  CHECK(solve_milp(one_that_fails_an_assertion(), options).status == MilpStatus::kUnknown);
  const MilpResult next = solve_milp(small(), options);
  CHECK(next.status == MilpStatus::kOptimal);
  CHECK(next.objective == 8);
}

TEST_CASE("An exception inside CBC ends that solve only") {
  const MilpOptions no_such_column{Seconds(10), false, {{99, 1.0}}};
  CHECK(solve_milp(small(), no_such_column).status == MilpStatus::kUnknown);
  CHECK(solve_milp(small(), {Seconds(10), false, {}}).status == MilpStatus::kOptimal);
}

#ifdef __SANITIZE_ADDRESS__
constexpr bool kForkIsSafe =
    false;  // this AddressSanitizer's allocator may be locked by the other thread at the fork
#else
constexpr bool kForkIsSafe = true;
#endif

TEST_CASE("Solves that fail in one thread do not disturb those of another" * doctest::skip(!kForkIsSafe)) {
  const MilpOptions options{Seconds(10), false, {}};
  std::atomic<int> failed{0};
  std::thread other([&] {
    for (int i = 0; i < 20; ++i)
      failed += solve_milp(one_that_fails_an_assertion(), options).status == MilpStatus::kUnknown ? 1 : 0;
  });
  int solved = 0;
  for (int i = 0; i < 20; ++i) solved += solve_milp(small(), options).objective == 8 ? 1 : 0;
  other.join();
  CHECK(solved == 20);
  CHECK(failed == 20);
}

std::atomic<int> interrupts{0};  // a signal handler sees nothing else

TEST_CASE("An interrupt during a solve is the program's, not Clp's") {
  struct sigaction before {};
  struct sigaction counting {};
  counting.sa_handler = [](int) { ++interrupts; };
  ::sigaction(SIGINT, &counting, &before);
  std::atomic<bool> done{false};
  std::thread solver([&] {
    for (int i = 0; i < 50; ++i) (void)solve_milp(small(), {Seconds(10), false, {}});
    done = true;
  });
  int sent = 0;
  while (!done) {
    ::raise(SIGINT);  // handled by this thread before raise returns
    ++sent;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  solver.join();
  ::sigaction(SIGINT, &before, nullptr);
  CHECK(interrupts == sent);
}

}  // namespace
}  // namespace saturn::milp_test
