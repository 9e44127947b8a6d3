// SPDX-License-Identifier: Apache-2.0
#include "cluster/gpu.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

#include "cluster/visible_devices.h"

namespace saturn {
namespace {

constexpr Bytes kContextReserve = Bytes{1} << 30;
constexpr double kShareReserve = 0.02;
constexpr Bytes kGrain = Bytes{64} << 20;

bool says_nothing(std::string_view word) {
  return word == "nvidia" || word == "tesla" || word == "geforce" || word == "generation" ||
         word.starts_with("hbm");
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 6 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The one GPU that an entry of CUDA_VISIBLE_DEVICES names; null when it is none or several.
const Gpu* named(const std::vector<Gpu>& gpus, std::string_view entry) {
  const Gpu* found = nullptr;
  for (const Gpu& gpu : gpus) {
    const bool match = is_number(entry) ? std::stoi(std::string(entry)) == gpu.index
                                        : entry.size() > 4 && gpu.uuid.starts_with(entry);
    if (!match) continue;
    if (found != nullptr) return nullptr;
    found = &gpu;
  }
  return found;
}

}  // namespace

std::string gpu_kind(std::string_view name) {
  std::string kind, word;
  const auto end_word = [&] {
    if (!word.empty() && !says_nothing(word)) kind += (kind.empty() ? "" : "-") + word;
    word.clear();
  };
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      end_word();
    }
  }
  end_word();
  if (kind.empty()) return "gpu-unknown";
  return kind.starts_with("cpu") ? "gpu-" + kind : kind;
}

bool kind_covers(std::string_view asked, std::string_view kind) {
  return asked == "gpu" || asked == kind || (kind.starts_with(asked) && kind[asked.size()] == '-');
}

std::vector<std::string_view> visible_entries(std::string_view list) {
  std::vector<std::string_view> entries;
  while (!trimmed(list).empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    entries.push_back(trimmed(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return entries;
}

GpuInventory visible_gpus(GpuInventory all, const std::optional<std::string>& list) {
  if (!list || all.gpus.empty()) return all;
  std::vector<Gpu> visible;
  for (const std::string_view entry : visible_entries(*list)) {
    const Gpu* gpu = named(all.gpus, entry);
    if (entry == "-1" || entry == "NoDevFiles") break;  // the usual ways to say: none
    if (gpu == nullptr || std::find(visible.begin(), visible.end(), *gpu) != visible.end()) {
      all.warnings.push_back(
          fmt::format("CUDA_VISIBLE_DEVICES: '{}' names {}, so the list ends there, as it does for CUDA",
                      entry, gpu == nullptr ? "no usable GPU" : "a GPU twice"));
      break;
    }
    visible.push_back(*gpu);
  }
  all.gpus = std::move(visible);
  if (all.gpus.empty()) all.none_because = fmt::format("CUDA_VISIBLE_DEVICES is '{}'", *list);
  return all;
}

Bytes gpu_memory_budget(Bytes total) {
  const auto share = static_cast<Bytes>(static_cast<double>(total) * kShareReserve);
  return std::max<Bytes>(0, (total - kContextReserve - share) / kGrain * kGrain);
}

}  // namespace saturn
