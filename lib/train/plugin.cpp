// SPDX-License-Identifier: Apache-2.0
#include "train/plugin.h"

#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "train/rank_context.h"

namespace saturn {
namespace {

/// Says of what comes out of a plug-in which one it was. What has a type of its own passes: it says by itself
/// what is wrong, and memory that has run out is no mistake.
class Naming {
 public:
  explicit Naming(std::string plugin) : plugin_(std::move(plugin)) {}

  template <class Call>
  auto operator()(const char* method, const Call& call) const {
    try {
      return call();
    } catch (const CheckpointError&) {
      throw;
    } catch (const CommunicatorError&) {
      throw;
    } catch (const InputError&) {
      throw;
    } catch (const PluginError&) {
      throw;
    } catch (const SystemError&) {
      throw;
    } catch (const std::exception& error) {
      const Failed failed = failure_of(error);
      if (failed.reason != Failed::Reason::kError) throw;
      refuse(method, failed.message);
    } catch (...) {
      refuse(method, "what was thrown is no std::exception");
    }
  }

 private:
  [[noreturn]] void refuse(const char* method, const std::string& what) const {
    throw PluginError(fmt::format("{} (in {}() of {})", what, method, plugin_));
  }

  std::string plugin_;
};

class NamedTrainer final : public Trainer {
 public:
  NamedTrainer(const Naming& named, std::unique_ptr<Trainer> trainer)
      : named_(named), trainer_(std::move(trainer)) {}

  StepResult step(const GlobalBatch& batch, double learning_rate) override {
    return named_("step", [&] { return trainer_->step(batch, learning_rate); });
  }
  double evaluate(const GlobalBatch& batch) override {
    return named_("evaluate", [&] { return trainer_->evaluate(batch); });
  }
  void save(CheckpointWriter& writer) override {
    named_("save", [&] { trainer_->save(writer); });
  }
  void load(const CheckpointReader& reader) override {
    named_("load", [&] { trainer_->load(reader); });
  }

 private:
  Naming named_;
  std::unique_ptr<Trainer> trainer_;
};

class NamedParallelism final : public Parallelism {
 public:
  NamedParallelism(const Naming& named, std::unique_ptr<Parallelism> parallelism)
      : named_(named), parallelism_(std::move(parallelism)) {}

  std::variant<std::vector<Candidate>, NotApplicable> candidates(
      const SearchContext& context) const override {
    return named_("candidates", [&] { return parallelism_->candidates(context); });
  }
  std::unique_ptr<Trainer> prepare(const TaskSpec& task, const Knobs& knobs,
                                   const Mesh& mesh) const override {
    return named_("prepare", [&]() -> std::unique_ptr<Trainer> {
      std::unique_ptr<Trainer> trainer = parallelism_->prepare(task, knobs, mesh);
      if (trainer == nullptr) throw std::runtime_error("nothing was returned");
      return std::make_unique<NamedTrainer>(named_, std::move(trainer));
    });
  }

 private:
  Naming named_;
  std::unique_ptr<Parallelism> parallelism_;
};

}  // namespace

std::unique_ptr<Parallelism> load_parallelism(const std::string& name, const std::filesystem::path& library) {
  constexpr const char* kCreate = "saturn_parallelism_create";
  const PluginObject object(fmt::format("the parallelism '{}'", name), "SATURN_PARALLELISM", library);
  object.check_abi("saturn_parallelism_abi", kParallelismAbi);
  auto* create = object.function<Parallelism*()>(kCreate);
  const Naming named(fmt::format("the parallelism '{}', {}", name, library.string()));
  std::unique_ptr<Parallelism> made(named(kCreate, [&] { return create(); }));
  if (made == nullptr) object.refuse(fmt::format("{} returned nothing", kCreate));
  return std::make_unique<NamedParallelism>(named, std::move(made));
}

}  // namespace saturn
