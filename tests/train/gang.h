// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/file.h"
#include "train/shared_communicator.h"

namespace saturn {

/// Small buffers: their ends are met with few elements.
inline constexpr SegmentShape kSmall{.slot_bytes = 16384, .channel_bytes = 8192};

/// What a rank does; what it returns is compared by the test.
using RankBody = std::function<std::string(Communicator&)>;

/// The exception's text, or "nothing thrown".
inline std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing thrown";
}

/// A rendezvous file that only this process and its children know.
class Rendezvous {
 public:
  Rendezvous() : fd_(::memfd_create("rendezvous", 0)) {}
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  FileDescriptor fd_;
};

inline std::vector<std::string> run_as_threads(int size, const RankBody& body,
                                               Seconds timeout = Seconds(60)) {
  const Rendezvous rendezvous;
  const auto segment = std::make_shared<const SharedSegment>(rendezvous.path(), size, kSmall);
  std::vector<std::string> results(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      std::string& result = results[static_cast<std::size_t>(rank)];
      try {
        result = body(*make_communicator_on(segment, rank, timeout));
      } catch (const std::exception& error) {
        result = std::string("threw: ") + error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

/// A rank's communicator on the gang's rendezvous.
using MakeRank = std::function<std::unique_ptr<Communicator>(const std::string& rendezvous, int rank)>;

/// As the ranks of a real gang; a rank that was killed has the result "killed by signal N".
class ProcessGang {
 public:
  ProcessGang(int size, const RankBody& body, Seconds timeout = Seconds(60))
      : ProcessGang(size, body, [=](const std::string& rendezvous, int rank) {
          const auto segment = std::make_shared<const SharedSegment>(rendezvous, size, kSmall);
          return make_communicator_on(segment, rank, timeout);
        }) {}
  ProcessGang(int size, const RankBody& body, const MakeRank& make) {
    for (int rank = 0; rank < size; ++rank) start(rank, body, make);
  }
  ~ProcessGang() { results(); }
  ProcessGang(const ProcessGang&) = delete;
  ProcessGang& operator=(const ProcessGang&) = delete;

  pid_t process(int rank) const { return children_[static_cast<std::size_t>(rank)].pid; }

  /// Waits for all.
  std::vector<std::string> results() {
    std::vector<std::string> results;
    for (Child& child : children_) results.push_back(result_of(child));
    children_.clear();
    return results;
  }

 private:
  struct Child {
    pid_t pid;
    FileDescriptor output;
  };

  void start(int rank, const RankBody& body, const MakeRank& make) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    std::fflush(nullptr);  // or the child writes it a second time
    const pid_t pid = ::fork();
    if (pid == 0) {
      std::string result;
      try {
        result = body(*make(rendezvous_.path(), rank));
      } catch (const std::exception& error) {
        result = std::string("threw: ") + error.what();
      }
      const int error = write_all(ends[1], result);
      ::_exit(error);
    }
    ::close(ends[1]);
    children_.push_back({pid, FileDescriptor(ends[0])});
  }

  static std::string result_of(Child& child) {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(child.output.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    int status = 0;
    ::waitpid(child.pid, &status, 0);
    return WIFSIGNALED(status) ? "killed by signal " + std::to_string(WTERMSIG(status)) : text;
  }

  Rendezvous rendezvous_;
  std::vector<Child> children_;
};

inline std::vector<std::string> run_as_processes(int size, const RankBody& body,
                                                 Seconds timeout = Seconds(60)) {
  return ProcessGang(size, body, timeout).results();
}

}  // namespace saturn
