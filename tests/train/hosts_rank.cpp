// SPDX-License-Identifier: Apache-2.0
// hosts_rank HOST LAYOUT FILE SILENCE: the ranks of host number HOST of a gang that lies as LAYOUT ("2,1")
// says, for hosts_test.sh. The first host writes where it listens into FILE. Every rank tries the
// collectives, says "rank 1 right", and all-reduces until that fails; then it says why.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/clock.h"
#include "base/socket.h"
#include "train/communicator_bodies.h"
#include "train/gang_hosts.h"

namespace {

using namespace saturn;

constexpr Seconds kLongest{60};

GangAddress read_address(const std::string& file) {
  const double until = steady_seconds() + kLongest.count();
  while (!std::filesystem::exists(file) && steady_seconds() < until) ::usleep(10000);
  return parse_gang_address(read_file(file)).value();
}

void say(const std::string& line) {
  (void)write_all(1, line + "\n");
}

int run_rank(const std::string& rendezvous, int rank, const GangHosts& hosts) {
  const auto c = make_hosts_communicator(rendezvous, rank, hosts, kLongest);
  const std::string wrong = try_orders(*c);
  say(fmt::format("rank {} {}", rank, wrong.empty() ? "right" : wrong));
  Numbers numbers(std::size_t{1} << 18, Dtype::kFloat32, [](auto) { return 1.0; });
  double last = steady_seconds();
  const std::string reason = error_of([&] {
    while (true) {
      c->all_reduce(numbers.buffer(), Reduction::kMax);
      last = steady_seconds();
    }
  });
  say(fmt::format("rank {} after {:.0f} s: {}", rank, steady_seconds() - last, reason));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  GangHosts hosts;
  hosts.silence = Seconds(std::atof(argv[4]));
  std::istringstream layout(argv[2]);
  for (std::string ranks; std::getline(layout, ranks, ',');) hosts.ranks.push_back(std::atoi(ranks.c_str()));
  const int host = std::atoi(argv[1]);
  FileDescriptor listener;
  if (host == 0) {
    listener = listen_at_any_port();
    hosts.address = make_gang_address(listener.get());
    write_file_atomically(argv[3], to_text(hosts.address));
  } else {
    hosts.address = read_address(argv[3]);
  }
  const HostLayout lies(hosts.ranks);
  std::vector<pid_t> children;
  const Rendezvous rendezvous;
  for (int rank = lies.first_of(host); rank < lies.first_of(host + 1); ++rank) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    hosts.listener = rank == 0 ? listener.get() : -1;
    int code = 1;
    const std::string error = error_of([&] { code = run_rank(rendezvous.path(), rank, hosts); });
    if (code != 0) say(fmt::format("rank {}: {}", rank, error));
    ::_exit(code);
  }
  int worst = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    worst = std::max(worst, status);
  }
  return worst == 0 ? 0 : 1;
}
