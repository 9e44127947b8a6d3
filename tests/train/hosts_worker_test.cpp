// SPDX-License-Identifier: Apache-2.0
// Gangs of real workers on two nodes, each an agent of this machine.
#include <signal.h>

#include "launch/agents_launcher.h"
#include "train/worker_gang.h"

namespace saturn::hosts_worker_test {
using namespace saturn::test;

namespace {

std::unique_ptr<Launcher> two_nodes(const std::filesystem::path& directory) {
  Cluster cluster;
  for (const char* name : {"n0", "n1"})
    cluster.nodes.push_back({name, "cpu", {{.index = 0}, {.index = 1}}, std::string("host-of-") + name});
  const auto command_for = [directory](const Node& node) {
    return AgentCommand{{SATURN_AGENT, "1"}, directory / (node.name + ".agent.log")};
  };
  return make_agents_launcher(cluster, command_for, {}, "1");
}

Job job_of(const std::filesystem::path& directory, const std::string& parallelism, int ranks) {
  Job job = small_job(directory, ranks);
  job.parallelism = parallelism;
  job.library = std::filesystem::path(SATURN_PARALLELISMS) / parallelism / (parallelism + ".so");
  return job;
}

Job on(Job job, const std::vector<NodeShare>& nodes, const std::string& name) {
  job.nodes = nodes;
  job.directory = job.directory.parent_path() / name;
  std::filesystem::create_directories(job.directory);
  return job;
}

GangHistory train(const Job& job) {
  const GangHistory history =
      job.nodes.empty() ? run_gang(job) : WorkerGang(two_nodes(job.directory.parent_path()), job).run();
  INFO("log: " << history.log);
  REQUIRE(history.exited.code == 0);
  return history;
}

std::string weights_of(const Job& job) {
  return read_file(job.directory / "model.safetensors");
}

const std::vector<NodeShare> kOneEach{{"n0", 1}, {"n1", 1}};
const std::vector<NodeShare> kOneAndTwo{{"n0", 1}, {"n1", 2}};

}  // namespace

TEST_CASE("where the ranks of a gang lie changes no bit of what it learns") {
  for (const std::string parallelism : {"ddp", "fsdp", "pipeline"}) {
    for (const auto& nodes : {kOneEach, kOneAndTwo}) {
      for (const std::string precision : {"fp32", "bf16"}) {
        CAPTURE(parallelism);
        CAPTURE(precision);
        const TemporaryDirectory directory;
        Job job =
            job_of(directory.path(), parallelism, nodes.size() == 2 ? nodes[0].ranks + nodes[1].ranks : 1);
        job.task.precision = precision;
        if (job.world_size() == 3) job.task.batch_size = 6;
        const Job here = on(job, {}, "here"), there = on(job, nodes, "there");
        train(here);
        const GangHistory history = train(there);
        CHECK(history.all<Finished>().size() == 1);
        CHECK(losses_of(there) == losses_of(here));
        CHECK(weights_of(there) == weights_of(here));
      }
    }
  }
}

TEST_CASE("stopped on two nodes and gone on with on one, a task ends as if undisturbed") {
  for (const std::string parallelism : {"ddp", "fsdp", "pipeline"}) {
    CAPTURE(parallelism);
    const TemporaryDirectory directory;
    const Job job = job_of(directory.path(), parallelism, 2);
    const Job undisturbed = on(job, {}, "undisturbed"), wide = on(job, kOneEach, "moved");
    train(undisturbed);
    WorkerGang gang(two_nodes(directory.path()), wide);
    const GangHistory stopped = gang.run([&](const Event& event) {
      if (std::holds_alternative<Ready>(event)) gang.launcher().release(gang.id());
      if (std::holds_alternative<StepDone>(event)) gang.launcher().stop(gang.id(), Seconds(60));
    });
    INFO("log: " << stopped.log);
    CHECK(stopped.exited.code == 0);
    const std::int64_t step = stopped.last<Stopped>().step;
    const GangHistory history = train(on(wide, {}, "moved"));
    CHECK(history.last<Ready>().step == step);
    CHECK(losses_of(wide) == losses_of(undisturbed));
    CHECK(weights_of(wide) == weights_of(undisturbed));
  }
}

TEST_CASE("a rank that is killed on one node ends the gang on both, which says who it was") {
  const TemporaryDirectory directory;
  Job job = on(job_of(directory.path(), "ddp", 3), kOneAndTwo, "killed");
  job.task.batch_size = 6;
  job.task.steps = 1000000;
  WorkerGang gang(two_nodes(directory.path()), job,
                  {"/bin/sh", "-c", "echo $$ > $0.$5.pid; exec \"$@\"", (directory / "rank").string()});
  const GangHistory history = gang.run([&](const Event& event) {
    if (std::holds_alternative<Ready>(event)) gang.launcher().release(gang.id());
    if (std::holds_alternative<StepDone>(event))
      ::kill(std::stoi(read_file(directory / "rank.2.pid")), SIGKILL);
  });
  CHECK(history.exited.code == 137);
  CHECK(history.exited.rank == 2);
  CHECK(history.last<Failed>().message.starts_with("rank 2 (process "));
  CHECK(history.last<Failed>().message.ends_with(" died"));
  CHECK(read_file(job.directory / "log.n1").find("rank 1: rank 2 (process ") != std::string::npos);
}

TEST_CASE("a trial of several candidates meets again on two nodes for each") {
  const TemporaryDirectory directory;
  Job job = on(job_of(directory.path(), "ddp", 2), kOneEach, "trial");
  job.mode = Job::Mode::kTrial;
  job.knob_candidates = {{"bucket_mb", {"1", "25"}}};
  const GangHistory history = train(job);
  int measured = 0;
  for (const CandidateTried& tried : history.all<CandidateTried>())
    measured += std::holds_alternative<Measured>(tried.outcome) ? 1 : 0;
  CHECK(measured > 1);
  CHECK(history.all<TrialDone>().size() == 1);
}

TEST_CASE("a worker of several nodes that nobody tells where the others are says so") {
  const TemporaryDirectory directory;
  const Job job = on(job_of(directory.path(), "ddp", 2), kOneEach, "alone");
  const auto launcher = make_local_launcher();
  const auto file = job.directory / "job.json";
  write_file_atomically(file, to_json(job).dump(2));
  GangSpec spec{.name = "alone",
                .node = "here",
                .job = {},
                .ranks = rank_commands({SATURN_WORKER, ""}, job, file),
                .log = job.directory / "log",
                .environment = {}};
  launcher->start(spec);
  const auto news = launcher->wait(Seconds(60));
  REQUIRE(news);
  CHECK(std::get<Failed>(std::get<Event>(news->what)).message ==
        "cannot meet the ranks of other nodes: nothing says where; start the gang with saturn, which sets "
        "SATURN_GANG_ADDRESS");
  spec.job = job;
  // On one machine, whose parts the nodes are, nobody need be told.
  launcher->start(spec);
  std::optional<GangNews> next;
  while ((next = launcher->wait(Seconds(60))) && !std::holds_alternative<Event>(next->what)) {
  }
  REQUIRE(next);
  CHECK(std::holds_alternative<Ready>(std::get<Event>(next->what)));
}

}  // namespace saturn::hosts_worker_test
