// SPDX-License-Identifier: Apache-2.0
#include "train/tied_parameters.h"

#include <ATen/ops/empty.h>
#include <algorithm>
#include <map>
#include <string>

#include "train/precision.h"

namespace saturn {
namespace {

std::map<std::string, std::vector<int>> stages_of_names(const std::vector<TiedParameters::Stage>& stages) {
  std::map<std::string, std::vector<int>> found;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    for (const auto& block : stages[stage])
      for (const Parameter& parameter : block->parameters()) {
        std::vector<int>& having = found[parameter.name];
        const int number = static_cast<int>(stage);
        if (having.empty() || having.back() != number) having.push_back(number);
      }
  }
  return found;
}

}  // namespace

TiedParameters::TiedParameters(const Mesh& mesh, const std::vector<Parameter>& mine,
                               const std::vector<Stage>& stages)
    : mesh_(mesh) {
  const auto stages_of = stages_of_names(stages);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const std::vector<int>& having = stages_of.at(mine[i].name);
    if (having.size() > 1) tied_.push_back({i, having});
  }
}

bool TiedParameters::owns(std::size_t index) const {
  const auto found =
      std::find_if(tied_.begin(), tied_.end(), [&](const Tied& tied) { return tied.index == index; });
  return found == tied_.end() || found->stages.front() == mesh_.rank;
}

std::vector<at::Tensor> TiedParameters::owned(const std::vector<at::Tensor>& gradients) const {
  std::vector<at::Tensor> mine;
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (owns(i)) mine.push_back(gradients[i]);
  return mine;
}

void TiedParameters::add_up(std::vector<at::Tensor>& gradients) const {
  for (const Tied& tied : tied_) add_up(gradients[tied.index], tied.stages);
}

void TiedParameters::add_up(at::Tensor& gradient, const std::vector<int>& stages) const {
  const int owner = stages.front();
  gradient = gradient.contiguous();
  if (mesh_.rank != owner) {
    mesh_.communicator->send(buffer_of(gradient), owner);
    return mesh_.communicator->receive(buffer_of(gradient), owner);
  }
  const at::Tensor theirs = at::empty(gradient.sizes(), gradient.options());
  for (std::size_t i = 1; i < stages.size(); ++i) {
    mesh_.communicator->receive(buffer_of(theirs), stages[i]);
    gradient.add_(theirs);
  }
  for (std::size_t i = 1; i < stages.size(); ++i) mesh_.communicator->send(buffer_of(gradient), stages[i]);
}

}  // namespace saturn
