// SPDX-License-Identifier: Apache-2.0
#include "cluster/slurm.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

#include "base/error.h"
#include "cluster/slurm_allocation.h"
#include "cluster/slurm_hostlist.h"

namespace saturn::slurm_test {

namespace {

using Texts = std::vector<std::string>;

/// What Slurm 22.05.8 printed of a job on three nodes (scontrol show job -d 2).
constexpr const char* kMixed = R"(JobId=2 JobName=interactive
   UserId=root(0) GroupId=root(0) MCS_label=N/A
   Priority=4294901758 Nice=0 Account=(null) QOS=(null)
   JobState=RUNNING Reason=None Dependency=(null)
   Requeue=1 Restarts=0 BatchFlag=0 Reboot=0 ExitCode=0:0
   DerivedExitCode=0:0
   RunTime=00:01:05 TimeLimit=1-02:04:00 TimeMin=N/A
   SubmitTime=2026-11-29T16:03:42 EligibleTime=2026-11-29T16:03:42
   AccrueTime=Unknown
   StartTime=2026-11-29T16:03:42 EndTime=Unknown Deadline=N/A
   SuspendTime=None SecsPreSuspend=0 LastSchedEval=2026-11-29T16:03:42 Scheduler=Main
   Partition=test AllocNode:Sid=localhost:15171
   ReqNodeList=n[1,3-4] ExcNodeList=(null)
   NodeList=n[1,3-4]
   BatchHost=n1
   NumNodes=3 NumCPUs=32 NumTasks=3 CPUs/Task=1 ReqB:S:C:T=0:0:*:*
   TRES=cpu=32,mem=32000M,node=3,billing=32
   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*
   JOB_GRES=gpu:h100:6,gpu:a100:1
     Nodes=n1 CPU_IDs=0-15 Mem=16000 GRES=gpu:h100:4(IDX:0-3)
     Nodes=n3 CPU_IDs=0-11 Mem=12000 GRES=gpu:h100:2(IDX:0-1),gpu:a100:1(IDX:2)
     Nodes=n4 CPU_IDs=0-3 Mem=4000 GRES=(null)
   MinCPUsNode=1 MinMemoryNode=0 MinTmpDiskNode=0
   Features=(null) DelayBoot=00:00:00
   OverSubscribe=NO Contiguous=0 Licenses=(null) Network=(null)
   Command=(null)
   WorkDir=/home/me
   Power=
)";

/// The same of a job array, of which every job is told: the one that is asked for runs on two nodes that
/// are alike, and a type that it did not ask for is listed with none.
constexpr const char* kArray = R"(JobId=12 ArrayJobId=12 ArrayTaskId=2 JobName=a Nodes=x JobState=FAILED
   UserId=root(0) GroupId=root(0) MCS_label=N/A
   JobState=RUNNING Reason=None Dependency=(null)
   Requeue=1 Restarts=3 BatchFlag=1 Reboot=0 ExitCode=0:0
   RunTime=00:00:07 TimeLimit=UNLIMITED TimeMin=N/A
   NodeList=n[1-2]
     Nodes=n[1-2] CPU_IDs=0-1,8-9 Mem=1024 GRES=gpu:h100:2(IDX:1,3),gpu:a100:0(IDX:)
   Command=/home/me/Nodes=3 x
   Power=

JobId=13 ArrayJobId=12 ArrayTaskId=1 JobName=a
   JobState=COMPLETED Reason=None Dependency=(null)
   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0
   RunTime=00:00:00 TimeLimit=UNLIMITED TimeMin=N/A
   NodeList=n9
     Nodes=n9 CPU_IDs=0 Mem=1 GRES=
)";

SlurmJob job_of(const char* text, const char* id) {
  const auto parsed = parse_job(text, id);
  if (const auto* problem = std::get_if<std::string>(&parsed)) FAIL(*problem);
  return std::get<SlurmJob>(parsed);
}

/// A process with this environment, for which scontrol says that.
SlurmAccess access(std::map<std::string, std::string> variables, CommandResult answer) {
  return {[variables](const char* name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            if (found == variables.end()) return {};
            return found->second;
          },
          [answer](const std::vector<std::string>& argv) {
            CHECK(argv[0] == "scontrol");
            return answer;
          }};
}

std::string error_of(const SlurmAccess& access) {
  try {
    (void)slurm_allocation(access);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

const std::string kStaleAdvice =
    ": ask for a new allocation (sbatch, salloc), or, to go on without Slurm, unset SLURM_JOB_ID or say "
    "`cluster: local`";

}  // namespace

TEST_CASE("host lists are expanded in their order, zeros kept") {
  CHECK(expand_hostlist("n1") == Texts{"n1"});
  CHECK(expand_hostlist("n[1,3-4],gpu07") == Texts{"n1", "n3", "n4", "gpu07"});
  CHECK(expand_hostlist("n[08-11]x") == Texts{"n08x", "n09x", "n10x", "n11x"});
  CHECK(expand_hostlist("r[0-1]n[1-2]") == Texts{"r0n1", "r0n2", "r1n1", "r1n2"});
  CHECK(expand_hostlist("") == Texts{});
}

TEST_CASE("what is no host list is seen") {
  for (const char* text :
       {"n[1", "n[1-]", "n[3-1]", "n[a]", "n[]", "a,,b", "n[1-9999999]", "r[0-9999]n[0-9999]"}) {
    CAPTURE(text);
    CHECK(!expand_hostlist(text));
  }
}

TEST_CASE("lists of numbers") {
  CHECK(expand_numbers("0-2,8") == std::vector<int>{0, 1, 2, 8});
  CHECK(expand_numbers("") == std::vector<int>{});
  CHECK(!expand_numbers("0-"));
  CHECK(!expand_numbers("-1"));
  CHECK(!expand_numbers("1,"));
}

TEST_CASE("Slurm's durations") {
  CHECK(parse_slurm_time("05:30") == Seconds(330));
  CHECK(parse_slurm_time("01:05:30") == Seconds(3930));
  CHECK(parse_slurm_time("2-01:00:00") == Seconds(49 * 3600));
  CHECK(!parse_slurm_time("UNLIMITED"));
  CHECK(!parse_slurm_time("30"));
  CHECK(!parse_slurm_time(""));
}

TEST_CASE("a job's nodes, GPUs, CPUs, memory and times are read") {
  const SlurmJob job = job_of(kMixed, "2");
  CHECK(job.state == "RUNNING");
  CHECK(job.restarts == 0);
  CHECK(job.run_time == Seconds(65));
  CHECK(job.time_left() == Seconds(26 * 3600 + 240 - 65));
  REQUIRE(job.nodes.size() == 3);
  CHECK(job.nodes[0].gpus == std::vector<SlurmGpu>{{"h100", 0}, {"h100", 1}, {"h100", 2}, {"h100", 3}});
  CHECK(job.nodes[1].name == "n3");
  CHECK(job.nodes[1].gpus == std::vector<SlurmGpu>{{"h100", 0}, {"h100", 1}, {"a100", 2}});
  CHECK(job.nodes[1].cpus.size() == 12);
  CHECK(job.nodes[2] == SlurmNode{"n4", {0, 1, 2, 3}, Bytes{4000} << 20, {}});
}

TEST_CASE("of a job array the one job, whatever users have named things") {
  const SlurmJob job = job_of(kArray, "12");
  CHECK(job.restarts == 3);
  CHECK(!job.time_left());
  REQUIRE(job.nodes.size() == 2);
  CHECK(job.nodes[1] == SlurmNode{"n2", {0, 1, 8, 9}, Bytes{1} << 30, {{"h100", 1}, {"h100", 3}}});
  CHECK(job_of(kArray, "13").state == "COMPLETED");
}

TEST_CASE("GPUs without a type, and without device files, beside other resources") {
  const auto gpus = [](const std::string& gres) {
    const std::string text =
        "JobId=1 JobName=a\n   JobState=RUNNING Reason=None\n   RunTime=00:00:01 TimeLimit=00:01:00\n"
        "     Nodes=n1 CPU_IDs=0 Mem=2G GRES=" +
        gres + "\n";
    return job_of(text.c_str(), "1").nodes.at(0).gpus;
  };
  CHECK(gpus("gpu:2(IDX:0,2),nvme:1") == std::vector<SlurmGpu>{{"", 0}, {"", 2}});
  CHECK(gpus("gpu:h100:2(CNT:2)") == std::vector<SlurmGpu>{{"h100", 0}, {"h100", 1}});
  CHECK(gpus("gpu:l4:1(IDX:3),gpu:t4:1(IDX:0)") == std::vector<SlurmGpu>{{"t4", 0}, {"l4", 3}});
  CHECK(gpus("").empty());
}

TEST_CASE("what cannot be read is said") {
  const auto problem = [](const std::string& text) { return std::get<std::string>(parse_job(text, "1")); };
  CHECK(problem("") == "it tells of no job 1");
  CHECK(problem("slurm_load_jobs error") == "it tells of no job 1");
  CHECK(problem("JobId=1 JobName=a\n") == "it gives no JobState");
  CHECK(problem("JobId=1 JobName=a\n JobState=RUNNING\n") == "it gives no RunTime");
  for (const char* line : {"Nodes=n1 CPU_IDs=0-x Mem=1 GRES=", "Nodes=n[ CPU_IDs=0 Mem=1 GRES=",
                           "Nodes=n1 CPU_IDs=0 Mem=x GRES=", "Nodes=n1 CPU_IDs=0 Mem=1 GRES=gpu:2(IDX:0)"}) {
    CHECK(problem(fmt::format("JobId=1\n JobState=RUNNING\n RunTime=00:00:01 TimeLimit=1:00\n   {}\n",
                              line)) == fmt::format("this line of it cannot be read: '{}'", line));
  }
}

TEST_CASE("without a job in the environment there is no allocation, and nobody is asked") {
  CHECK(!slurm_allocation({[](const char*) { return std::optional<std::string>{}; }, nullptr}));
}

TEST_CASE("the allocation is what Slurm says now, not what the environment said when it began") {
  const auto found = slurm_allocation(
      access({{"SLURM_JOB_ID", "2"}, {"SLURM_JOB_NODELIST", "n[1-4]"}, {"SLURMD_NODENAME", "n3"}},
             {0, kMixed, "", false}));
  REQUIRE(found);
  CHECK(found->this_node == "n3");
  CHECK(found->gone == Texts{"n2"});
  CHECK(to_text(*found) == "Slurm job 2: 3 nodes with 1 a100 and 6 h100, 26:02:55 left; n2 has left it");
  CHECK(
      slurm_allocation(access({{"SLURM_JOB_ID", "2"}, {"SLURMD_NODENAME", "login"}}, {0, kMixed, "", false}))
          ->this_node == "");
  const auto again = slurm_allocation(access({{"SLURM_JOB_ID", "12"}}, {0, kArray, "", false}));
  CHECK(to_text(*again) == "Slurm job 12: 2 nodes with 4 h100, restart 3");
}

TEST_CASE("a stale environment, and every way in which scontrol fails, is said with what to do") {
  CHECK(error_of(access({{"SLURM_JOB_ID", "13"}}, {0, kArray, "", false})) ==
        "error: the environment is of Slurm job 13, which does not run (it is COMPLETED)" + kStaleAdvice);
  CHECK(error_of(access({{"SLURM_JOB_ID", "7"}},
                        {1, "", "slurm_load_jobs error: Invalid job id specified\n", false})) ==
        "error: the environment is of Slurm job 7, which Slurm does not know any more" + kStaleAdvice);
  CHECK(error_of(access({{"SLURM_JOB_ID", "7"}},
                        {1, "", "slurm_load_jobs error: Unable to contact\nslurm controller\n", false})) ==
        "cannot ask Slurm about job 7: scontrol ended with exit code 1: slurm controller; see whether "
        "`scontrol "
        "ping` reaches the controller");
  CHECK(error_of(access({{"SLURM_JOB_ID", "7"}}, {137, "", "", true})) ==
        "cannot ask Slurm about job 7: scontrol did not end within 30 s; see whether `scontrol ping` reaches "
        "the "
        "controller");
  CHECK(error_of(access({{"SLURM_JOB_ID", "7"}}, {0, "hello\n", "", false})) ==
        "cannot read what `scontrol show job -d 7` says: it tells of no job 7; Slurm of at least 22.05 is "
        "needed");
  CHECK(error_of(access({{"SLURM_JOB_ID", "2"}, {"SLURM_HET_SIZE", "2"}}, {0, kMixed, "", false})) ==
        "error: Slurm job 2 is heterogeneous (its parts are allocations of their own): ask for nodes of "
        "different types in "
        "one part, by --nodelist or --constraint");
  SlurmAccess missing = access({{"SLURM_JOB_ID", "7"}}, {});
  missing.run = [](const std::vector<std::string>&) { return run_command({"no-scontrol-here"}, Seconds(1)); };
  CHECK(error_of(missing) ==
        "cannot ask Slurm about job 7: cannot start no-scontrol-here: No such file or directory; "
        "SLURM_JOB_ID is set, so "
        "scontrol should be in PATH; to go on without Slurm, unset it or say `cluster: local`");
}

}  // namespace saturn::slurm_test
