// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <doctest/doctest.h>

#include "many.h"
#include "plan/fixtures.h"
#include "plan/methods/portfolio.h"
#include "plan/model/search.h"
#include "plan/random_problems.h"
#include "plan/solve.h"

namespace saturn::bound_test {
namespace {

constexpr std::int64_t kWork = 100000;

std::uint64_t count(int cases) {
  return static_cast<std::uint64_t>(test::many(cases));
}

/// What is proven within the work, without the cut at the plan's makespan that `solve` makes.
Millis proven_bound(const Instance& instance, std::uint64_t seed) {
  Search search(instance, seed, 0);
  Work work{kWork, true};
  run_portfolio(search, Deadline::in(Seconds(3600), nullptr, &work), 1);
  CHECK(search.bound() <= search.makespan());
  return search.bound();
}

Plan plan_within(const Problem& problem, std::uint64_t seed) {
  SolveOptions options;
  options.time_limit = Seconds(3600);
  options.seed = seed;
  options.work = kWork;
  return solve(problem, options);
}

/// An instance of its own seed: a failure says which. Every third one has pins.
void check_bound(std::uint64_t seed, int most_tasks) {
  CAPTURE(seed);
  test::RandomInstances instances(seed);
  Problem problem = instances.next(3, 6, most_tasks);
  if (seed % 3 == 0) instances.pin_some(problem);
  const Instance instance = make_instance(problem);
  const Millis bound = proven_bound(instance.regular ? instance : relaxed(instance), seed);
  const Plan plan = plan_within(problem, seed + 1);
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(bound <= std::llround(plan.makespan_seconds * 1000));
}

TEST_CASE("On 10000 random problems of mixed nodes, kinds, releases and pins no bound is above a plan") {
  for (std::uint64_t seed = 0; seed < count(8000); ++seed) check_bound(seed, 8);
  for (std::uint64_t seed = 8000; seed < 8000 + count(2000); ++seed) check_bound(seed, 24);
}

}  // namespace
}  // namespace saturn::bound_test
