// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "launch/event.h"
#include "launch/job.h"

namespace saturn {

using GangId = int;

/// The command lines of a gang, one per rank; rank 0 speaks the event protocol on its standard output.
struct GangSpec {
  std::string name;  ///< of the task, for messages
  std::string node;  ///< of all ranks, or of the first where `job.nodes` has several
  Job job;           ///< what the ranks are to do: a launcher may need to know the devices and the nodes
  std::vector<std::vector<std::string>>
      ranks;  ///< argv of each; "{rendezvous}", "{gate}" and "{listener}" in an argument are replaced
  /// Its devices are still in use: the ranks come up and load what needs no device, then wait at the gate
  /// until `Launcher::admit`.
  bool ahead = false;
  std::filesystem::path log;  ///< appended: stderr of all ranks, stdout of all but rank 0, and non-event
                              ///< lines; of ranks on further nodes in LOG.NODE
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to the caller's
  int listener = -1;  ///< a socket that the first rank inherits; the caller's
};

/// Every rank has been reaped.
struct GangExited {
  int code =
      0;  ///< of the first rank that left with something else than 0; 128 + signal when it was killed; else 0
  int rank = 0;  ///< that rank
};

/// Devices that can no longer be used. Gangs on them are gone or will not get on: their owner kills them.
struct DevicesLost {
  std::string node;
  std::vector<int> devices;  ///< indices within the node
  std::string why;
};
/// Devices that had been lost can be used again.
struct DevicesBack {
  std::string node;
  std::vector<int> devices;
};

using DeviceNews = std::variant<DevicesLost, DevicesBack>;

/// Hears what becomes of devices.
class DeviceWatch {
 public:
  virtual ~DeviceWatch() = default;
  /// Readable when there may be news; -1: there will be none any more.
  virtual int descriptor() const = 0;
  /// The news since the last call. Does not wait.
  virtual std::vector<DeviceNews> read() = 0;
  /// From now on it hears of these devices, by their numbers. Errors: SystemError.
  virtual void watch(const Cluster& cluster) = 0;
};

/// What `Launcher::wait` returns: something a gang did, or (gang = kNoGang) what became of devices.
constexpr GangId kNoGang = -1;
struct GangNews {
  GangId gang = kNoGang;
  std::variant<Event, GangExited, DevicesLost, DevicesBack> what;
};

/// Starts and stops gangs of processes. One owner, one thread. Every process started is reaped by the time of
/// GangExited; the destructor kills and reaps what is left. Errors of `start`: SystemError (nothing is left
/// running then).
class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Starts every rank. They come up, load, and report Ready; none trains before `release`.
  virtual GangId start(const GangSpec& spec) = 0;
  /// The devices of a gang that was started ahead are free: it takes them and goes on to Ready.
  virtual void admit(GangId gang) = 0;
  virtual void release(GangId gang) = 0;
  /// Asks the gang to checkpoint and leave (TERM), and kills it (KILL) when it has not left after `grace`.
  virtual void stop(GangId gang, Seconds grace) = 0;
  virtual void kill(GangId gang) = 0;
  /// The next thing that happened; empty when `timeout` has passed, a signal came in, or `wake` was called.
  virtual std::optional<GangNews> wait(Seconds timeout) = 0;
  /// The devices whose news it is to bring are these from now on. Errors: SystemError.
  virtual void watch_devices(const Cluster& cluster) { (void)cluster; }
  /// Makes a `wait` that is under way return; may be called from any thread.
  virtual void wake() = 0;
};

/// Local processes: posix_spawn, each gang in its own process group, a gang dead in one rank is killed as a
/// whole. Nodes are parts of this machine. News of devices comes from `devices`; null: there is none.
std::unique_ptr<Launcher> make_local_launcher(std::unique_ptr<DeviceWatch> devices = nullptr);

}  // namespace saturn
