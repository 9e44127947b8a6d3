// SPDX-License-Identifier: Apache-2.0
// A parallelism that goes wrong where the values of its manifest's knob `mistake` say.
#include <csignal>
#include <stdexcept>

#include "train/parallelism.h"

namespace {

using namespace saturn;

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

  std::unique_ptr<Trainer> prepare(const TaskSpec&, const Knobs& knobs, const Mesh&) const override {
    const std::string mistake = knob_value(knobs, "mistake", "");
    if (mistake == "crash") std::raise(SIGSEGV);
    if (mistake == "number") throw 7;
    throw std::runtime_error("a mistake in " + mistake);
  }
};

}  // namespace

SATURN_PARALLELISM(Broken)
