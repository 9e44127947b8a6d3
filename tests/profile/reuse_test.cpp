// SPDX-License-Identifier: Apache-2.0
#include "profile/reuse.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "cluster/cluster_shape.h"

namespace saturn::reuse_test {

namespace {

using Texts = std::vector<std::string>;

Cluster shape(const char* text) {
  return std::get<Cluster>(parse_cluster_shape(text));
}

Trial row(const std::string& signature, std::int64_t devices, const std::string& kind, double step_seconds) {
  Measured measured;
  measured.step_seconds = step_seconds;
  return {signature, "ddp", devices, kind, {}, measured};
}

Profile with(std::vector<Trial> rows) {
  Profile profile;
  profile.trials = std::move(rows);
  return profile;
}

PlannedTrial trial(const std::string& signature, std::int64_t devices, const std::string& kind) {
  PlannedTrial planned{signature, nullptr, {}, devices, kind};
  planned.parallelism.name = "ddp";
  return planned;
}

template <typename Function>
std::string error_of(const Function& function) {
  try {
    function();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("kinds are called as they were measured") {
  const std::vector<Profile> profiles{with({row("s", 1, "h100-80gb", 1)}), with({row("s", 1, "cpu", 1)})};
  const Cluster cluster = with_measured_kinds(shape("2x4:h100,1x2"), profiles);
  CHECK(cluster.nodes[1].kind == "h100-80gb");
  CHECK(cluster.nodes[2].kind == "cpu");
  CHECK(with_measured_kinds(shape("1x1:gpu"), profiles).nodes[0].kind == "h100-80gb");
}

TEST_CASE("every kind that nobody has measured is said, and one that may be several") {
  const std::vector<Profile> profiles{with({row("s", 1, "h100-80gb", 1), row("s", 1, "h100-pcie", 1)})};
  CHECK(error_of([&] { (void)with_measured_kinds(shape("1x4:a100,2x4:h100,1x8:a100,1x2"), profiles); }) ==
        "error: nothing was measured on 'a100' (only on h100-80gb, h100-pcie): run `saturn profile` on a "
        "machine or in an "
        "allocation with one, and name its profile by --profile\n"
        "error: 'h100' may be h100-80gb or h100-pcie: say which\n"
        "error: nothing was measured on 'cpu' (only on h100-80gb, h100-pcie): run `saturn profile` on a "
        "machine or in an "
        "allocation with one, and name its profile by --profile");
}

TEST_CASE("rows come from the first profile that has them, and what nobody has measured is said") {
  const std::vector<Profile> profiles{with({row("s", 1, "h100", 4), row("s", 2, "h100", 2)}),
                                      with({row("s", 1, "h100", 9), row("s", 1, "a100", 8)})};
  TrialPlan wanted;
  wanted.tasks = {{"a", "s"}, {"b", "s"}};
  wanted.trials = {trial("s", 1, "a100"), trial("s", 2, "a100"), trial("s", 3, "a100"),
                   trial("s", 1, "h100"), trial("s", 2, "h100"), trial("s", 4, "h100")};
  const ReusedProfile reused = reuse(wanted, profiles);
  CHECK(reused.profile.tasks == wanted.tasks);
  CHECK(reused.profile.trials ==
        std::vector<Trial>{row("s", 1, "a100", 8), row("s", 1, "h100", 4), row("s", 2, "h100", 2)});
  CHECK(reused.gaps == Texts{"ddp on 2, 3 x a100 (1 kind of task)", "ddp on 4 x h100 (1 kind of task)"});
}

TEST_CASE("rows of gangs across nodes are others than those of one node") {
  Trial across = row("s", 8, "h100", 1);
  across.nodes = 2;
  TrialPlan wanted;
  wanted.tasks = {{"a", "s"}};
  wanted.trials = {trial("s", 4, "h100"), trial("s", 8, "h100")};
  const std::vector<Profile> profiles{with({row("s", 4, "h100", 4), across})};
  CHECK(reuse(wanted, profiles).profile.trials == std::vector<Trial>{row("s", 4, "h100", 4)});
  CHECK(reuse(wanted, profiles).gaps == Texts{"ddp on 8 x h100 (1 kind of task)"});
  wanted.trials[1].nodes = 2;
  CHECK(reuse(wanted, profiles).profile.trials == std::vector<Trial>{row("s", 4, "h100", 4), across});
  CHECK(reuse(wanted, profiles).gaps.empty());
}

TEST_CASE("a task that was never measured is an error") {
  TrialPlan wanted;
  wanted.tasks = {{"a", "s"}, {"b", "t"}};
  wanted.trials = {trial("s", 1, "h100"), trial("t", 1, "h100")};
  CHECK(error_of([&] {
          (void)reuse(wanted, {with({row("s", 1, "h100", 4), row("t", 1, "cpu", 4)})});
        }) ==
        "error: task 'b' was measured on no kind of device of the cluster; `saturn profile` measures it "
        "where there is one");
}

}  // namespace saturn::reuse_test
