// SPDX-License-Identifier: Apache-2.0
#include "cluster/machine.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "temporary_directory.h"

namespace saturn::machine_test {

namespace {

/// A root directory with files as the kernel would show them.
class FakeRoot {
 public:
  FakeRoot() {
    write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000 kB\n");
    write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast Processor 9000\ncache size\t: 1 KB\n");
  }
  void write(const std::string& name, const std::string& text) {
    const auto file = directory_.path() / name;
    make_directories(file.parent_path());
    write_file_atomically(file, text);
  }
  Bytes available() const { return available_memory(directory_.path()); }
  Machine read(std::vector<int> allowed) const { return read_machine(directory_.path(), std::move(allowed)); }

 private:
  test::TemporaryDirectory directory_;
};

constexpr Bytes kGiB = Bytes{1} << 30;

}  // namespace

TEST_CASE("a machine without control groups has all its memory and the cores of the affinity mask") {
  const Machine machine = FakeRoot().read({2, 3, 6});
  CHECK(machine.cores == std::vector<int>{2, 3, 6});
  CHECK(machine.memory_bytes == 16 * kGiB);
  CHECK(machine.cpu_model == "Fast Processor 9000");
}

TEST_CASE("version 2 limits hold, the tightest of the group and its parents") {
  FakeRoot root;
  root.write("proc/self/cgroup", "0::/outer/inner\n");
  root.write("sys/fs/cgroup/outer/memory.max", "4294967296\n");
  root.write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  root.write("sys/fs/cgroup/outer/inner/cpu.max", "250000 100000\n");
  const Machine machine = root.read({0, 1, 2, 3});
  CHECK(machine.cores == std::vector<int>{0, 1});
  CHECK(machine.memory_bytes == 4 * kGiB);
}

TEST_CASE("a quota of less than a core leaves one") {
  FakeRoot root;
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  CHECK(root.read({4, 5}).cores == std::vector<int>{4});
}

TEST_CASE("no quota and no memory limit change nothing") {
  FakeRoot root;
  root.write("proc/self/cgroup", "0::/group\n");
  root.write("sys/fs/cgroup/group/cpu.max", "max 100000\n");
  root.write("sys/fs/cgroup/group/memory.max", "max\n");
  const Machine machine = root.read({0, 1});
  CHECK(machine.cores.size() == 2);
  CHECK(machine.memory_bytes == 16 * kGiB);
}

TEST_CASE("version 1 limits hold, where -1 is none") {
  FakeRoot root;
  root.write("proc/self/cgroup", "4:memory:/job\n1:cpu:/job\n3:cpuset:/\n");
  root.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2147483648\n");
  root.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "100000\n");
  root.write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  const Machine machine = root.read({0, 1});
  CHECK(machine.cores == std::vector<int>{0});
  CHECK(machine.memory_bytes == 2 * kGiB);
}

TEST_CASE("this machine has a core and some memory") {
  const Machine machine = this_machine();
  CHECK(!machine.cores.empty());
  CHECK(machine.memory_bytes > 0);
  CHECK(!machine.cpu_model.empty());
}

TEST_CASE("what is available is what the kernel says, within what the control groups leave") {
  FakeRoot root;
  CHECK(root.available() == 0);  // unknown
  root.write("proc/meminfo",
             "MemTotal:       16777216 kB\nMemFree:         1000 kB\nMemAvailable:  8388608 kB\n");
  CHECK(root.available() == 8 * kGiB);
  root.write("proc/self/cgroup", "0::/outer/inner\n");
  root.write("sys/fs/cgroup/outer/memory.max", "4294967296\n");
  root.write("sys/fs/cgroup/outer/memory.current", "3221225472\n");
  root.write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  root.write("sys/fs/cgroup/outer/inner/memory.current", "3221225472\n");
  CHECK(root.available() == kGiB);
  root.write("sys/fs/cgroup/outer/memory.stat", "anon 1\ninactive_file 1073741824\n");
  CHECK(root.available() == 2 * kGiB);
}

}  // namespace saturn::machine_test
