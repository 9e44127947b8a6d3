// SPDX-License-Identifier: Apache-2.0
// A parallelism that goes wrong where the values of its manifest's knob `mistake` say.
#include <csignal>
#include <memory>
#include <stdexcept>

#include "train/parallelism.h"

namespace {

using namespace saturn;

/// Trains nothing; goes wrong in the step of the number given.
class BrokenTrainer final : public Trainer {
 public:
  explicit BrokenTrainer(int last) : left_(last - 1) {}
  StepResult step(const GlobalBatch&, double) override {
    if (left_-- == 0) throw std::runtime_error("a mistake in a step");
    return {1, 1};
  }
  double evaluate(const GlobalBatch&) override { return 1; }
  void save(CheckpointWriter&) override {}
  void load(const CheckpointReader&) override {}

 private:
  int left_;
};

class Broken final : public Parallelism {
 public:
  std::variant<std::vector<Candidate>, NotApplicable> candidates(
      const SearchContext& context) const override {
    std::vector<Candidate> candidates;
    for (const std::string& mistake : context.values.at("mistake")) {
      if (mistake == "candidates") throw std::runtime_error("a mistake in candidates");
      if (mistake == "candidates-number") throw 7;
      candidates.push_back({{{"mistake", mistake}}, 0, 0});
    }
    return candidates;
  }

  std::unique_ptr<Trainer> prepare(const TaskSpec&, const Knobs& knobs, const Mesh& mesh) const override {
    const std::string mistake = knob_value(knobs, "mistake", "");
    if (mistake == "crash") std::raise(SIGSEGV);
    if (mistake == "number") throw 7;
    if (mistake == "nothing") return nullptr;
    if (mistake == "step-1000") return std::make_unique<BrokenTrainer>(1000);
    if (mistake == "last-rank" && mesh.rank + 1 < mesh.world_size)
      return std::make_unique<BrokenTrainer>(1000);
    throw std::runtime_error("a mistake in " + mistake);
  }
};

}  // namespace

SATURN_PARALLELISM(Broken)
