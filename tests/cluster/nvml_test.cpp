// SPDX-License-Identifier: Apache-2.0
#include "cluster/nvml.h"

#include <cstdlib>
#include <doctest/doctest.h>

namespace saturn::nvml_test {

namespace {

using Texts = std::vector<std::string>;
constexpr Bytes kMiB = Bytes{1} << 20;

/// What is found where the driver knows `gpus` (see fake_nvml.cpp).
GpuInventory found(const std::string& gpus) {
  ::setenv("SATURN_FAKE_NVML", gpus.c_str(), 1);
  return read_gpus(SATURN_FAKE_NVML);
}

Texts uuids(const GpuInventory& inventory) {
  Texts all;
  for (const Gpu& gpu : inventory.gpus) all.push_back(gpu.uuid);
  return all;
}

GpuInventory three() {
  return {{{0, "NVIDIA L4", "GPU-aa11", 0}, {1, "NVIDIA L4", "GPU-aa22", 0}, {2, "NVIDIA L4", "GPU-bb", 0}},
          "580",
          "",
          {}};
}

}  // namespace

TEST_CASE("the driver's GPUs are found, none, one or eight") {
  const GpuInventory none = found("");
  CHECK(none.gpus.empty());
  CHECK(none.none_because == "the driver knows of no GPU");
  CHECK(none.warnings.empty());

  const GpuInventory one = found("NVIDIA H100 80GB HBM3|GPU-1|81559");
  CHECK(one.gpus == std::vector<Gpu>{{0, "NVIDIA H100 80GB HBM3", "GPU-1", 81559 * kMiB}});
  CHECK(one.driver == "580.65.06");

  std::string eight;
  for (int i = 0; i < 8; ++i) eight += "NVIDIA H200|GPU-" + std::to_string(i) + "|143771;";
  CHECK(uuids(found(eight)) == Texts{"GPU-0", "GPU-1", "GPU-2", "GPU-3", "GPU-4", "GPU-5", "GPU-6", "GPU-7"});
}

TEST_CASE("mixed GPUs keep their names, and a lost one is left out with a warning") {
  const GpuInventory mixed = found("NVIDIA A100-SXM4-40GB|GPU-a|40960;lost;NVIDIA L4|GPU-c|23034");
  CHECK(mixed.gpus == std::vector<Gpu>{{0, "NVIDIA A100-SXM4-40GB", "GPU-a", 40960 * kMiB},
                                       {2, "NVIDIA L4", "GPU-c", 23034 * kMiB}});
  CHECK(mixed.warnings ==
        Texts{"GPU 1 is left out: the driver says 'GPU is lost' (nvidia-smi -q says more; a "
              "reset or a reboot may bring it back)"});
  CHECK(found("lost").none_because == "none of its GPUs works");
}

TEST_CASE("no driver is quiet, one that does not work is warned of") {
  const GpuInventory absent = read_gpus("libno-such-library.so.1");
  CHECK(absent.gpus.empty());
  CHECK(absent.none_because.starts_with("there is no NVIDIA driver (libno-such-library.so.1: "));
  CHECK(absent.warnings.empty());

  const GpuInventory not_loaded = found("status 9");
  CHECK(not_loaded.none_because == std::string(SATURN_FAKE_NVML) + " does not work: Driver Not Loaded");
  CHECK(not_loaded.warnings.empty());

  const GpuInventory mismatch = found("status 18");
  const std::string why = std::string(SATURN_FAKE_NVML) + " does not work: Driver/library version mismatch";
  CHECK(mismatch.none_because == why);
  CHECK(mismatch.warnings == Texts{"no GPUs: " + why});
}

TEST_CASE("a library without a function is named with it") {
  const GpuInventory old = read_gpus(SATURN_FAKE_NVML_OLD);
  CHECK(old.gpus.empty());
  CHECK(old.warnings == Texts{"no GPUs: " + std::string(SATURN_FAKE_NVML_OLD) +
                              " does not work: it has no function nvmlDeviceGetUUID"});
}

TEST_CASE("CUDA_VISIBLE_DEVICES and the library come from the environment") {
  ::setenv("SATURN_FAKE_NVML", "NVIDIA L4|GPU-a|100;NVIDIA L4|GPU-b|100", 1);
  ::setenv("SATURN_NVML_LIBRARY", SATURN_FAKE_NVML, 1);
  ::setenv("CUDA_VISIBLE_DEVICES", "1", 1);
  CHECK(uuids(usable_gpus()) == Texts{"GPU-b"});
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
  CHECK(usable_gpus().none_because == "CUDA_VISIBLE_DEVICES is ''");
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  CHECK(usable_gpus().gpus.size() == 2);
  ::unsetenv("SATURN_NVML_LIBRARY");
}

TEST_CASE("CUDA_VISIBLE_DEVICES takes numbers and beginnings of UUIDs, in its order") {
  CHECK(uuids(visible_gpus(three(), std::nullopt)) == Texts{"GPU-aa11", "GPU-aa22", "GPU-bb"});
  CHECK(uuids(visible_gpus(three(), "2, 0")) == Texts{"GPU-bb", "GPU-aa11"});
  CHECK(uuids(visible_gpus(three(), "GPU-b,GPU-aa1")) == Texts{"GPU-bb", "GPU-aa11"});
  for (const char* none : {"", " ", "-1"}) {
    const GpuInventory nothing = visible_gpus(three(), none);
    CHECK(nothing.gpus.empty());
    CHECK(nothing.warnings.empty());
  }
}

TEST_CASE("as for CUDA the list ends at an entry that names no GPU, several, or one again") {
  const auto warning = [](const std::string& entry, const std::string& what) {
    return Texts{"CUDA_VISIBLE_DEVICES: '" + entry + "' names " + what +
                 ", so the list ends there, as it does for CUDA"};
  };
  const auto check = [&](const char* list, const Texts& left, const Texts& warnings) {
    const GpuInventory visible = visible_gpus(three(), list);
    CHECK(uuids(visible) == left);
    CHECK(visible.warnings == warnings);
  };
  check("1,7,0", {"GPU-aa22"}, warning("7", "no usable GPU"));
  check("GPU-aa,0", {}, warning("GPU-aa", "no usable GPU"));
  check("0,MIG-1/2/3", {"GPU-aa11"}, warning("MIG-1/2/3", "no usable GPU"));
  check("2,GPU-bb", {"GPU-bb"}, warning("GPU-bb", "a GPU twice"));
}

TEST_CASE("kinds are made of names") {
  CHECK(gpu_kind("NVIDIA H100 80GB HBM3") == "h100-80gb");
  CHECK(gpu_kind("NVIDIA H100 PCIe") == "h100-pcie");
  CHECK(gpu_kind("NVIDIA A100-SXM4-40GB") == "a100-sxm4-40gb");
  CHECK(gpu_kind("Tesla V100-SXM2-16GB") == "v100-sxm2-16gb");
  CHECK(gpu_kind("NVIDIA GeForce RTX 4090") == "rtx-4090");
  CHECK(gpu_kind("NVIDIA RTX 6000 Ada Generation") == "rtx-6000-ada");
  CHECK(gpu_kind("Quadro RTX 6000") == "quadro-rtx-6000");
  CHECK(gpu_kind("NVIDIA") == "gpu-unknown");
  CHECK(kind_covers("gpu", "l4"));
  CHECK(kind_covers("h100", "h100-80gb"));
  CHECK(kind_covers("h100-80gb", "h100-80gb"));
  CHECK(!kind_covers("h100-80gb", "h100"));
  CHECK(!kind_covers("l4", "l40s"));
}

TEST_CASE("a part of a GPU's memory is kept back") {
  CHECK(gpu_memory_budget(81559 * kMiB) == 78848 * kMiB);
  CHECK(gpu_memory_budget(4096 * kMiB) == 2944 * kMiB);
  CHECK(gpu_memory_budget(512 * kMiB) == 0);
}

}  // namespace saturn::nvml_test
