// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "launch/event.h"
#include "launch/job.h"
#include "train/accelerator.h"
#include "train/communicator.h"
#include "train/parallelism.h"

namespace saturn {

/// Where rank 0's events go; on the other ranks nowhere.
class EventWriter {
 public:
  /// -1 = nowhere. Not owned.
  explicit EventWriter(int fd) : fd_(fd) {}
  /// A supervisor that does not read any more is no reason to stop: its end is noticed elsewhere.
  void write(const Event& event) const;

 private:
  int fd_;
};

/// What everything that runs on one rank knows. Not owned.
struct RankContext {
  const Job& job;
  const Parallelism& parallelism;
  Accelerator& accelerator;
  Mesh mesh;
  EventWriter events;
  int control_fd = -1;  ///< rank 0: where "go" comes in
  double began = 0;     ///< since when it uses its device, its start-up included (steady_seconds)

  bool leads() const { return mesh.rank == 0; }
  Communicator& communicator() const { return *mesh.communicator; }
};

/// The loss or the gradients are no numbers any more.
class NotFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How a gang's training or one candidate ended in an exception, from any rank's point of view.
/// Of a task whose model is a plug-in, an error names it: most such errors are its own.
Failed failure_of(const std::exception& error, const TaskSpec* task = nullptr);

/// Runs `body`; when it throws, all other ranks hear why before the exception goes on, so that none waits for
/// this one.
void with_abort(const Mesh& mesh, const std::function<void()>& body);

/// Whether TERM or INT has asked this process to checkpoint and leave.
bool stop_requested();
/// From now on TERM and INT only ask.
void catch_stop_signals();
/// TERM and INT end the process at once again: a trial has nothing to save.
void leave_at_once_when_stopped();

/// Seconds since this process was started.
double process_age_seconds();

enum class Release { kGo, kLeave };
/// Waits for the line "go" on rank 0's control input; the end of that input, and a stop on any rank, mean
/// leave. Every rank calls and gets the same.
Release wait_for_release(const RankContext& context);

}  // namespace saturn
