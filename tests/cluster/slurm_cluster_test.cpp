// SPDX-License-Identifier: Apache-2.0
#include "cluster/slurm_cluster.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace saturn::slurm_cluster_test {

namespace {

using Texts = std::vector<std::string>;
constexpr Bytes kMiB = Bytes{1} << 20;
constexpr Bytes kGiB = Bytes{1} << 30;

SlurmNode node(const std::string& name, int cpus, Bytes memory, const Texts& gpus = {}) {
  SlurmNode made{name, {}, memory, {}};
  for (int cpu = 0; cpu < cpus; ++cpu) made.cpus.push_back(cpu);
  for (const std::string& type : gpus) made.gpus.push_back({type, static_cast<int>(made.gpus.size())});
  return made;
}

SlurmJob job_with(std::vector<SlurmNode> nodes) {
  SlurmJob job{.id = "5", .state = "RUNNING"};
  job.nodes = std::move(nodes);
  return job;
}

/// n1: four h100; n2: two h100, then an a100; n3: no GPU.
SlurmJob mixed() {
  return job_with({node("n1", 16, 16 * kGiB, {"h100", "h100", "h100", "h100"}),
                   node("n2", 12, 12 * kGiB, {"h100", "h100", "a100"}), node("n3", 4, 4 * kGiB)});
}

ClusterSpec nodes(std::vector<NodeSpec> list) {
  ClusterSpec spec;
  spec.automatic = false;
  spec.nodes = std::move(list);
  return spec;
}

/// "NAME KIND on HOST: GPU, GPU; CORES cores, MEMORY a device" for every node.
Texts texts(const SlurmCluster& found) {
  Texts texts;
  for (const Node& one : found.cluster.nodes) {
    const Device& device = one.devices.front();
    std::vector<int> ordinals;
    for (const Device& each : one.devices)
      if (each.ordinal >= 0 && !is_cpu_kind(one.kind)) ordinals.push_back(each.ordinal);
    texts.push_back(fmt::format("{} {} x{} on {}: {}; {} cores, {}", one.name, one.kind, one.devices.size(),
                                one.host, fmt::join(ordinals, ","), device.cores.size(),
                                device.memory_bytes == 0 ? "-" : to_text_bytes(device.memory_bytes)));
  }
  return texts;
}

std::string error_of(const ClusterSpec& spec, const SlurmJob& job) {
  try {
    (void)slurm_cluster(spec, job);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("auto is all GPUs of the job, a node for each type on each of its nodes") {
  const SlurmCluster found = slurm_cluster({}, mixed());
  CHECK(texts(found) == Texts{"n1 h100 x4 on n1: 0,1,2,3; 4 cores, -",
                              "n2-h100 h100 x2 on n2: 0,1; 4 cores, -",
                              "n2-a100 a100 x1 on n2: 2; 4 cores, -"});
  CHECK(found.notes == Texts{"n3 has no GPU and is not used"});
  CHECK(found.cluster.nodes[1].devices[1].index == 1);
  CHECK(found.cluster.nodes[2].devices[0].index == 0);  // whatever its place among the job's GPUs
  CHECK(found.cluster.nodes[0].host == "n1");
  CHECK(found.cluster.nodes[2].host == "n2");
  CHECK(found.cluster.nodes[0].devices[1].cores == std::vector<int>{4, 5, 6, 7});
}

TEST_CASE("without GPUs auto is slots of every node, as many as it has CPUs") {
  const SlurmCluster found = slurm_cluster({}, job_with({node("a", 4, 10 * kGiB), node("b", 2, 2 * kGiB)}));
  // The least memory that any slot has is that of all: 9/10 of 2 GiB, divided by two.
  CHECK(texts(found) == Texts{"a cpu x4 on a: ; 1 cores, 921 MiB", "b cpu x2 on b: ; 1 cores, 921 MiB"});
  ClusterSpec spec;
  spec.slots = 2;
  spec.gpus = 0;
  spec.slot_memory_bytes = 512 * kMiB;
  CHECK(texts(slurm_cluster(spec, mixed())) == Texts{"n1 cpu x2 on n1: ; 2 cores, 512 MiB",
                                                     "n2 cpu x2 on n2: ; 2 cores, 512 MiB",
                                                     "n3 cpu x2 on n3: ; 2 cores, 512 MiB"});
}

TEST_CASE("GPUs can be fewer, and not more than there are") {
  ClusterSpec spec;
  spec.gpus = 5;
  CHECK(texts(slurm_cluster(spec, mixed())) ==
        Texts{"n1 h100 x4 on n1: 0,1,2,3; 4 cores, -", "n2 h100 x1 on n2: 0; 4 cores, -"});
  spec.gpus = 8;
  CHECK(error_of(spec, mixed()) ==
        "error: cluster: 8 GPUs are asked for, but Slurm job 5 has 1 a100 and 6 h100");
  CHECK(error_of(spec, job_with({node("a", 4, 0)})) ==
        "error: cluster: 8 GPUs are asked for, but Slurm job 5 has none");
}

TEST_CASE("GPUs that the site gives no type are of kind gpu; types become kinds") {
  CHECK(
      texts(slurm_cluster({}, job_with({node("a", 1, 0, {"", ""}), node("b", 1, 0, {"Tesla_V100-SXM2"})}))) ==
      Texts{"a gpu x2 on a: 0,1; 1 cores, -", "b v100-sxm2 x1 on b: 0; 1 cores, -"});
}

TEST_CASE("explicit nodes: by the job's names, else where the fewest devices are left, the largest first") {
  const SlurmCluster found =
      slurm_cluster(nodes({{.name = "small", .devices = 1, .kind = "gpu"},
                           {.name = "two", .devices = 2, .kind = "h100"},
                           {.name = "n3", .devices = 2, .cores_per_device = 2},
                           {.name = "big", .devices = 4, .kind = "gpu", .memory_bytes = 70 * kGiB}}),
                    mixed());
  CHECK(texts(found) == Texts{"small a100 x1 on n2: 2; 4 cores, -", "two h100 x2 on n2: 0,1; 4 cores, 70 GiB",
                              "n3 cpu x2 on n3: ; 2 cores, 1.75 GiB",
                              "big h100 x4 on n1: 0,1,2,3; 4 cores, 70 GiB"});
  CHECK(found.notes.empty());
  CHECK(
      slurm_cluster(nodes({{.name = "n2", .devices = 2, .kind = "h100"}}), mixed()).notes ==
      Texts{"n1 is not used: the workload names its nodes", "n3 is not used: the workload names its nodes"});
}

TEST_CASE("every node that finds no place is said, with what is free") {
  CHECK(error_of(nodes({{.name = "a", .devices = 1, .kind = "h200"},
                        {.name = "n1", .devices = 5, .kind = "h100"},
                        {.name = "n2", .devices = 2, .kind = "gpu"},
                        {.name = "b", .devices = 17}}),
                 mixed()) ==
        "error: cluster: node 'n1' asks for 5 GPUs of kind 'h100'; free in Slurm job 5: n1 (4 h100)\n"
        "error: cluster: node 'b' asks for 17 CPUs; free in Slurm job 5: n1 (4 h100), n2 (1 a100), n3 (4 "
        "CPUs)\n"
        "error: cluster: node 'a' asks for 1 GPU of kind 'h200'; free in Slurm job 5: n1 (4 h100), n2 (1 "
        "a100), n3 (4 CPUs)");
}

TEST_CASE("what a node refuses is said with its name") {
  ClusterSpec spec;
  spec.slots = 3;
  CHECK(error_of(spec, job_with({node("a", 4, 0), node("b", 2, 0)})) ==
        "error: on b: cluster: 3 slots are asked for, but this process may use 2 cores; ask for at most 2, "
        "or name "
        "the nodes: their devices may share cores");
}

TEST_CASE("devices of a kind are alike: what is given is not made smaller") {
  const SlurmJob job = job_with({node("a", 4, 4 * kGiB), node("b", 2, 4 * kGiB)});
  CHECK(error_of(nodes({{.name = "a", .devices = 2, .cores_per_device = 2}, {.name = "b", .devices = 2}}),
                 job) ==
        "error: cluster: node 'a' asks for 2 cores a device, but another of kind 'cpu' has 1; speeds are "
        "measured once per "
        "kind, so all of a kind must be alike");
}

TEST_CASE("a job of one node leaves this machine so many cores, so much memory and its GPUs") {
  Machine machine{{0, 1, 2, 3}, 8 * kGiB, "Fast Processor 9000", {}};
  machine.gpus.gpus = {{0, "NVIDIA L4", "GPU-0", kGiB}, {1, "NVIDIA L4", "GPU-1", kGiB}};
  const auto here = [&](const SlurmNode& node, bool wants_gpus) {
    return confined(machine, job_with({node}), node, wants_gpus);
  };
  const Machine two = here(node("a", 2, 4 * kGiB, {"l4", "l4"}), true);
  CHECK(two.cores == std::vector<int>{0, 1});
  CHECK(two.memory_bytes == 4 * kGiB);
  CHECK(two.gpus.gpus.size() == 2);
  CHECK(here(node("a", 64, 0), true).cores.size() == 4);
  CHECK(here(node("a", 64, 0), true).gpus.gpus.empty());
  CHECK_THROWS_WITH_AS(
      here(node("a", 2, 0, {"l4"}), true),
      "error: cluster: Slurm job 5 has 1 GPU of a, but this process can use 2; start saturn in the job's "
      "batch script, not in "
      "a smaller step, and leave CUDA_VISIBLE_DEVICES as Slurm sets it, or say `cluster: local`",
      InputError);
  CHECK(here(node("a", 2, 0, {"l4"}), false).gpus.gpus.size() == 2);
}

}  // namespace saturn::slurm_cluster_test
