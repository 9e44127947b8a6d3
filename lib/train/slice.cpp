// SPDX-License-Identifier: Apache-2.0
#include "train/slice.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <sstream>

namespace saturn {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

std::string difference(const std::string& name, at::IntArrayRef found, at::IntArrayRef wanted) {
  return fmt::format("'{}' is {} in the checkpoint and {} in the model", name, shape_text(found),
                     shape_text(wanted));
}

/// "missing 'a', 'b' and 3 more"
void add_names(std::vector<std::string>& faults, const std::string& what,
               const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  if (names.empty()) return;
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + static_cast<long>(std::min(kShown, names.size())));
  std::string text = fmt::format("{} '{}'", what, fmt::join(shown, "', '"));
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  faults.push_back(std::move(text));
}

/// What keeps the checkpoint's tensors from being the parameters; empty when nothing does.
std::vector<std::string> differences(const std::vector<Parameter>& parameters,
                                     const CheckpointReader& reader) {
  std::vector<std::string> missing, unknown, faults;
  std::set<std::string> known;
  for (const Parameter& parameter : parameters) {
    known.insert(parameter.name);
    if (!reader.has(parameter.name)) missing.push_back(parameter.name);
  }
  for (const std::string& name : reader.names())
    if (!known.contains(name) && !name.starts_with("optimizer.")) unknown.push_back(name);
  add_names(faults, "missing", missing);
  add_names(faults, "unknown", unknown);
  for (const Parameter& parameter : parameters) {
    if (!reader.has(parameter.name)) continue;
    const std::vector<std::int64_t> found = reader.shape(parameter.name);
    if (found == parameter.shape) continue;
    faults.push_back(difference(parameter.name, found, parameter.shape));
    break;
  }
  return faults;
}

}  // namespace

bool Slice::whole() const {
  return offset == 0 && value.numel() == elements_of(shape);
}

Slice whole_slice(const Parameter& parameter, const at::Tensor& value) {
  return {parameter.name, parameter.shape, 0, parameter.decay, value};
}

void save_slices(const std::vector<Slice>& slices, CheckpointWriter& writer) {
  for (const Slice& slice : slices) {
    const at::Tensor value = slice.value.detach();
    slice.whole() ? writer.add(slice.name, value.view(slice.shape))
                  : writer.add_part(slice.name, slice.shape, slice.offset, value);
  }
}

void load_slices(const std::vector<Slice>& slices, const CheckpointReader& reader) {
  for (const Slice& slice : slices) {
    const std::vector<std::int64_t> found = reader.shape(slice.name);
    if (found != slice.shape) throw CheckpointError("tensor " + difference(slice.name, found, slice.shape));
    reader.read(slice.name, slice.offset, slice.value);
  }
}

void check_fits(const std::vector<Parameter>& tensors, const CheckpointReader& reader) {
  const std::vector<std::string> faults = differences(tensors, reader);
  if (!faults.empty())
    throw CheckpointError(fmt::format("the checkpoint does not fit the model: {}", fmt::join(faults, "; ")));
}

std::vector<int> writers_of(const std::vector<Slice>& slices, int ranks) {
  std::vector<std::int64_t> elements(static_cast<std::size_t>(ranks));
  std::vector<int> writers;
  for (const Slice& slice : slices) {
    const auto least = std::min_element(elements.begin(), elements.end());
    *least += slice.value.numel();
    writers.push_back(static_cast<int>(least - elements.begin()));
  }
  return writers;
}

}  // namespace saturn
