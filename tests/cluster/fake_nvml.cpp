// SPDX-License-Identifier: Apache-2.0
// A libnvidia-ml.so for tests. SATURN_FAKE_NVML says what the machine has, at every call: a status that
// all return ("status 9"), or GPUs "NAME|UUID|MIB" separated by ';', where the name "lost" is a GPU
// that has fallen off the bus, "strange" one with an unknown error, "failing" one with another error, and
// "hung" one whose calls do not return. "@FILE": that stands in the file.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

constexpr int kMismatch = 18;
constexpr int kLost = 15;
constexpr int kUnknownError = 999;

struct FakeGpu {
  std::string name, uuid;
  unsigned long long mebibytes = 0;
};

std::string asked() {
  const char* variable = std::getenv("SATURN_FAKE_NVML");
  std::string text = variable == nullptr ? "" : variable;
  if (text.starts_with("@")) {
    std::ifstream file(text.substr(1));
    std::getline(file, text);
  }
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<FakeGpu> gpus() {
  std::vector<FakeGpu> all;
  for (const std::string& part : split(asked(), ';')) {
    const auto fields = split(part, '|');
    all.push_back({fields[0], fields.size() > 1 ? fields[1] : "",
                   fields.size() > 2 ? std::strtoull(fields[2].c_str(), nullptr, 10) : 0});
  }
  return all;
}

int put(const std::string& value, char* text, unsigned size) {
  std::snprintf(text, size, "%s", value.c_str());
  return value.size() < size ? 0 : 7;
}

/// A handle is a GPU's place in the list, from 1. Its status now.
int open_gpu(void* handle, FakeGpu& gpu) {
  if (asked().starts_with("status ")) return std::atoi(asked().c_str() + 7);
  const auto all = gpus();
  const auto place = reinterpret_cast<std::uintptr_t>(handle);
  if (place == 0 || place > all.size()) return kLost;
  gpu = all[place - 1];
  while (gpu.name == "hung") ::pause();
  return gpu.name == "lost"      ? kLost
         : gpu.name == "strange" ? kUnknownError
         : gpu.name == "failing" ? kMismatch
                                 : 0;
}

}  // namespace

extern "C" {

int nvmlInit_v2() {
  return asked().starts_with("status ") ? std::atoi(asked().c_str() + 7) : 0;
}
int nvmlShutdown() {
  return 0;
}
const char* nvmlErrorString(int status) {
  return status == 9               ? "Driver Not Loaded"
         : status == kLost         ? "GPU is lost"
         : status == kUnknownError ? "Unknown Error"
                                   : "Driver/library version mismatch";
}
int nvmlSystemGetDriverVersion(char* text, unsigned size) {
  return put("580.65.06", text, size);
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = static_cast<unsigned>(gpus().size());
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** handle) {
  *handle = reinterpret_cast<void*>(static_cast<std::uintptr_t>(index) + 1);
  FakeGpu gpu;
  return open_gpu(*handle, gpu);
}
int nvmlDeviceGetName(void* handle, char* text, unsigned size) {
  FakeGpu gpu;
  const int status = open_gpu(handle, gpu);
  return status != 0 ? status : put(gpu.name, text, size);
}
#ifndef SATURN_FAKE_NVML_OLD
int nvmlDeviceGetUUID(void* handle, char* text, unsigned size) {
  FakeGpu gpu;
  const int status = open_gpu(handle, gpu);
  return status != 0 ? status : put(gpu.uuid, text, size);
}
#endif
int nvmlDeviceGetMemoryInfo(void* handle, unsigned long long* total_free_used) {
  FakeGpu gpu;
  const int status = open_gpu(handle, gpu);
  if (status == 0) total_free_used[0] = gpu.mebibytes << 20;
  return status;
}
}
