// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "launch/event.h"
#include "launch/job.h"
#include "script/setting.h"

namespace saturn {

/// What a script's rank has to do its work with. Does not own the clock.
struct RankSetup {
  Job job;
  const Clock& clock;
  int events = -1;        ///< descriptor that events are written to
  int stop_signals = -1;  ///< signalfd of TERM and INT
  std::filesystem::path python_helper;
  std::string python_path;

  void write(const Event& event) const;
  /// The process for `own_job`, this job or one made from it.
  ScriptSpec script(const Job& own_job, const Knobs& knobs, const SavedCheckpoint& checkpoint) const;
  /// Whether a stop signal has come in; takes it.
  bool stop_asked() const;
};

/// Trains the task; the exit code. Errors: SystemError, InputError.
int train_script(const RankSetup& setup);

/// Tries every combination of knobs. Errors: SystemError, InputError.
void try_script(const RankSetup& setup);

}  // namespace saturn
