// SPDX-License-Identifier: Apache-2.0
#include "train/model_plugin.h"

#include <doctest/doctest.h>

#include "train/plugin_object.h"

namespace saturn::model_plugin_test {

namespace {

ModelSpec plugin(const std::string& library, std::map<std::string, std::string> options = {}) {
  ModelSpec spec;
  spec.kind = "library";
  spec.plugin.library = library;
  spec.plugin.options = std::move(options);
  spec.plugin.context = 16;
  spec.plugin.vocabulary = 300;
  return spec;
}

std::string refusal(const ModelSpec& spec) {
  try {
    (void)build_model(spec);
    return "";
  } catch (const PluginError& error) {
    return error.what();
  }
}

const std::string kMine = SATURN_MODEL_PLUGIN;

}  // namespace

TEST_CASE("a plug-in's model is built after its options and what it is said to take") {
  const Model model = build_model(plugin(kMine, {{"depth", "3"}, {"width", "4"}}));
  REQUIRE(model.blocks.size() == 5);
  std::string text;
  for (const Parameter& parameter : model.parameters())
    text += parameter.name + " " + std::to_string(parameter.elements()) + "\n";
  CHECK(text == "embedding 1200\nlayer.0 16\nlayer.1 16\nlayer.2 16\nhead 1200\n");
  CHECK(parameter_count(plugin(kMine)) == 300 * 8 * 2 + 64);
}

TEST_CASE("a plug-in that cannot be used is named, with what is wrong") {
  CHECK(refusal(plugin("/nowhere/m.so")) ==
        "cannot load the model plug-in /nowhere/m.so: /nowhere/m.so: cannot open shared object file: No such "
        "file or directory");
  CHECK(refusal(plugin(SATURN_PLUGIN_EMPTY)) ==
        std::string("cannot load the model plug-in ") + SATURN_PLUGIN_EMPTY + ": " + SATURN_PLUGIN_EMPTY +
            " has no function saturn_model_abi (its source ends with SATURN_MODEL(...))");
  CHECK(refusal(plugin(SATURN_OLD_MODEL_PLUGIN)) ==
        std::string("cannot load the model plug-in ") + SATURN_OLD_MODEL_PLUGIN + ": " +
            SATURN_OLD_MODEL_PLUGIN + " was built for interface 999, this worker has 1; build it again");
}

TEST_CASE("what a plug-in throws and returns wrongly is named with it") {
  const auto with = [](const std::string& mistake) { return refusal(plugin(kMine, {{"mistake", mistake}})); };
  const std::string name = "the model plug-in " + kMine;
  CHECK(with("throws") == name + " failed: a mistake in the factory");
  CHECK(with("throws-number") == name + " failed: it threw what is no std::exception");
  CHECK(with("empty") == name + " made no model: it has no blocks");
  CHECK(with("shapes") == name + " made no model: 'embedding' stands in two blocks in different shapes");
  CHECK(refusal(plugin(kMine, {{"depth", "two"}})) ==
        name + " failed: the option 'depth' must be a whole number, not 'two'");
}

}  // namespace saturn::model_plugin_test
