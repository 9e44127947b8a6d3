// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "replan/simulation.h"

namespace saturn {

/// What `saturn run --simulate` can be told, as it was typed.
struct SimulateOptions {
  bool on = false;
  std::string noise;  ///< "5%" or "0.05"; empty: none
  std::uint64_t seed = 0;
  std::vector<std::string> fails;   ///< "NODE@TIME", "NODE:DEVICES@TIME", with "+DURATION" until it is back
  std::vector<std::string> speeds;  ///< "TASK=0.8"
};

/// Errors: InputError with everything that is wrong: texts, unknown nodes, devices and tasks.
Simulation simulation_of(const SimulateOptions& options, const RunSetup& setup);

/// Tells what happens in a simulated run, each message with its time.
class SimulationView final : public RunObserver {
 public:
  explicit SimulationView(const Clock& clock) : clock_(clock) {}
  void message(const std::string& text) override;
  void update(const RunState&, const Plan&) override {}

 private:
  const Clock& clock_;
};

}  // namespace saturn
