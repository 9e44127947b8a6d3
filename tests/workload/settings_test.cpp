// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "workload/settings_reader.h"
#include "workload_text.h"

namespace saturn::settings_test {
using test::parse;
using test::problems;
using test::with_task;

namespace {

const std::string kTask = "name: a, batch_size: 2, steps: 3";

Workload with(const std::string& top_level) {
  return parse(with_task(kTask, top_level));
}

std::string wrong(const std::string& top_level) {
  return problems(with_task(kTask, top_level));
}

}  // namespace

TEST_CASE("the cluster is automatic, slots, or nodes") {
  CHECK(with("cluster: auto\n").cluster == ClusterSpec{});
  CHECK(with("cluster: local\n").cluster.devices_of == DevicesOf::kMachine);
  CHECK(with("cluster: slurm\n").cluster.devices_of == DevicesOf::kSlurm);
  const ClusterSpec slots = with("cluster: {slots: 2, slot_memory: 1GiB}\n").cluster;
  CHECK(slots == ClusterSpec{true, 0, 2, Bytes{1} << 30, {}});
  CHECK(with("cluster: {slots: 0}\n").cluster.gpus == 0);
  CHECK(with("cluster: {gpus: 4}\n").cluster == ClusterSpec{.gpus = 4});
  CHECK(with("cluster: {nodes: [{name: a, devices: 4, kind: h100-80gb}]}\n").cluster.nodes[0].kind ==
        "h100-80gb");
  const ClusterSpec nodes = with(
                                "cluster:\n  nodes:\n    - {name: a, devices: 2, memory: 1MiB, cores: 3}\n   "
                                " - {name: b, devices: 1, kind: cpu}\n")
                                .cluster;
  CHECK(nodes == ClusterSpec{false, -1, 0, 0, {{"a", 2, "cpu", 1 << 20, 3}, {"b", 1, "cpu", 0, 0}}});
}

TEST_CASE("a cluster is written as what it is read from") {
  for (const char* text :
       {"auto", "local", "slurm", "{gpus: 0}", "{gpus: 4}", "{slots: 2, slot_memory: 1GiB}", "{slots: 3}",
        "{nodes: [{name: a, devices: 2, memory: 1MiB, cores: 3}, {name: b, devices: 1, kind: l4}]}"}) {
    CAPTURE(text);
    const ClusterSpec spec = with(std::string("cluster: ") + text + "\n").cluster;
    CHECK(with("cluster: " + cluster_section(spec).dump() + "\n").cluster == spec);
  }
}

TEST_CASE("every setting is read into its field") {
  const Workload workload = with(
      "name: n\nseed: 4\nparallelisms: [ddp, fsdp]\n"
      "profile: {trial_time: 3s, warmup_steps: 1, min_steps: 2, max_steps: 9, trial_timeout: 2m, "
      "unstable_spread: 0.5}\n"
      "plan: {time_limit: 1m, gap: 0.25, method: auto, seed: 6, work: 7}\n"
      "run: {directory: d, checkpoint_interval: 1h, stop_grace: 5, start_timeout: 6s, hang_timeout: 7s,\n"
      "      keep_checkpoints: 8, retries: 9, introspection_interval: 0, introspection_threshold: 0.125,\n"
      "      on_finish: 'echo $SATURN_OUTCOME', on_finish_timeout: 10s}\n");
  CHECK(workload.name == "n");
  CHECK(workload.seed == 4);
  CHECK(workload.parallelisms == std::vector<std::string>{"ddp", "fsdp"});
  CHECK(workload.profile == ProfileSettings{3, 1, 2, 9, 120, 0.5});
  CHECK(workload.plan == PlanSettings{60, 0.25, "auto", 6, {}, 7});
  CHECK(workload.run ==
        RunSettings{"/w/d", 3600, 5, 6, 7, 8, 9, 0, 0.125, 0.1, {}, {}, "echo $SATURN_OUTCOME", 10});
}

TEST_CASE("the objective of plans is a word, or a deadline") {
  CHECK(with("plan: {}\n").plan.objective == Objective{});
  CHECK(with("plan: {objective: makespan}\n").plan.objective == Objective{});
  CHECK(with("plan: {objective: mean_completion}\n").plan.objective ==
        Objective{Objective::Kind::kMeanCompletion, 0});
  CHECK(with("plan: {objective: {deadline: 1h30m}}\n").plan.objective ==
        Objective{Objective::Kind::kDeadline, 5400});
  CHECK(wrong("plan: {objective: deadline}\n") == "1:19 plan: 'objective' needs a time: {deadline: 2h}\n");
  CHECK(wrong("plan: {objective: makespam}\n") ==
        "1:19 plan: 'objective' must be one of makespan, mean_completion, not the text 'makespam' (did you "
        "mean 'makespan'?)\n");
  CHECK(wrong("plan: {objective: {deadline: 0, tasks: 3}}\n") ==
        "1:30 plan.objective: 'deadline' must be more than 0\n"
        "1:33 plan.objective: unknown key 'tasks'; known keys: deadline\n");
  CHECK(parse_objective("makespan") == Objective{});
  CHECK(parse_objective("deadline=90s") == Objective{Objective::Kind::kDeadline, 90});
  CHECK_FALSE(parse_objective("deadline=soon").has_value());
  CHECK_FALSE(parse_objective("deadline").has_value());
}

TEST_CASE("what is wrong with the cluster is said at once") {
  CHECK(wrong("cluster: gpu\n") ==
        "1:10 'cluster' must be auto, local, slurm, {gpus}, {slots, slot_memory} or {nodes}, not the text "
        "'gpu'\n");
  CHECK(wrong("cluster: {slots: -1, slot_memory: 1GX, slot: 2}\n") ==
        "1:18 cluster: 'slots' must be at least 0, not -1\n"
        "1:35 cluster: 'slot_memory' must be a size such as 512MiB or 8GB, not the text '1GX'\n"
        "1:40 cluster: unknown key 'slot' (did you mean 'slots'?)\n");
  CHECK(wrong("cluster: {slots: 1, slot_memory: 1, nodes: []}\n") ==
        "1:18 cluster: 'slots' does not go with nodes, which have 'devices' and 'memory'\n"
        "1:34 cluster: 'slot_memory' does not go with nodes, which have 'devices' and 'memory'\n"
        "1:44 cluster: 'nodes' is empty: give at least one node\n");
  CHECK(wrong("cluster: {gpus: 2, slots: 1}\n") ==
        "1:17 cluster: 'gpus' and CPU slots cannot be had at once; name the nodes\n");
  CHECK(wrong("cluster: {gpus: 2, nodes: [{name: a, devices: 1}]}\n") ==
        "1:17 cluster: 'gpus' does not go with nodes, which have 'devices' and 'memory'\n");
  CHECK(wrong("cluster: {nodes: {name: a}}\n") ==
        "1:18 cluster: 'nodes' must be a list of nodes, not a map\n");
  CHECK(wrong("cluster:\n  nodes:\n    - {name: a b, devices: 0, kind: H100}\n    - {name: c, devices: 1}\n"
              "    - {name: c, cores: 1.5}\n    - 7\n") ==
        "3:14 cluster.nodes: 'name' 'a b' has ' ' in it (it names a directory: letters, digits and . _ + = - "
        "only)\n"
        "3:28 cluster.nodes: 'devices' must be at least 1, not 0\n"
        "3:37 cluster.nodes: 'kind' must be cpu, cpu-NAME, gpu or a type of GPU such as h100 (lower-case "
        "letters, "
        "digits and '-'), not 'H100'\n"
        "5:7 cluster.nodes: missing key 'devices'\n"
        "5:7 cluster.nodes: the name 'c' is taken by the node on line 4\n"
        "5:24 cluster.nodes: 'cores' must be a whole number, not the number 1.5\n"
        "6:7 cluster.nodes must be a map (keys with values), not the number 7\n");
}

TEST_CASE("what is wrong with profile, plan and run is said at once") {
  CHECK(
      wrong("profile: {trial_time: 0, warmup_steps: -1, min_steps: 9, max_steps: 3, trial_timeout: x}\n"
            "plan: {time_limit: 0s, gap: 2, method: best, sede: 1, work: 0}\n"
            "run: {directory: '', hang_timeout: 0, keep_checkpoints: 0, retries: 1e9, "
            "introspection_interval: -1}\n") ==
      "1:23 profile: 'trial_time' must be more than 0\n"
      "1:40 profile: 'warmup_steps' must be at least 0, not -1\n"
      "1:55 profile: 'min_steps' does not fit: min_steps 9 is more than max_steps 3\n"
      "1:87 profile: 'trial_timeout' must be a duration such as 90s, 5m or 1h30m, not the text 'x'\n"
      "2:20 plan: 'time_limit' must be more than 0\n"
      "2:29 plan: 'gap' must be at most 1, not 2\n"
      "2:40 plan: 'method' must be one of auto, paper, not the text 'best'\n"
      "2:46 plan: unknown key 'sede' (did you mean 'seed'?)\n"
      "2:61 plan: 'work' must be at least 1, not 0\n"
      "3:18 run: 'directory' must not be empty\n"
      "3:36 run: 'hang_timeout' must be more than 0\n"
      "3:57 run: 'keep_checkpoints' must be at least 1, not 0\n"
      "3:69 run: 'retries' must be at most 1000, not 1e9\n"
      "3:98 run: 'introspection_interval' must be a duration such as 90s, 5m or 1h30m, not the number -1\n");
  CHECK(wrong("profile: 3\nplan: [x]\nrun:\n") ==
        "1:10 profile must be a map (keys with values), not the number 3\n"
        "2:7 plan must be a map (keys with values), not a list\n"
        "3:1 run must be a map (keys with values), not nothing\n");
}

}  // namespace saturn::settings_test
