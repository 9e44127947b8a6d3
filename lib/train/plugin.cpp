// SPDX-License-Identifier: Apache-2.0
#include "train/plugin.h"

#include <fmt/format.h>

namespace saturn {

std::unique_ptr<Parallelism> load_parallelism(const std::string& name, const std::filesystem::path& library) {
  const PluginObject object(fmt::format("the parallelism '{}'", name), "SATURN_PARALLELISM", library);
  object.check_abi("saturn_parallelism_abi", kParallelismAbi);
  std::unique_ptr<Parallelism> made(object.function<Parallelism*()>("saturn_parallelism_create")());
  if (made == nullptr) object.refuse("saturn_parallelism_create returned nothing");
  return made;
}

}  // namespace saturn
