// SPDX-License-Identifier: Apache-2.0
// A libnvidia-ml.so for tests. SATURN_FAKE_NVML says what the machine has: a status that nvmlInit_v2 returns
// ("status 9"), or GPUs "NAME|UUID|MIB" separated by ';', where the name "lost" is a GPU that has fallen off
// the bus.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct FakeGpu {
  std::string name, uuid;
  unsigned long long mebibytes = 0;
};

std::string asked() {
  const char* text = std::getenv("SATURN_FAKE_NVML");
  return text == nullptr ? "" : text;
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

std::vector<FakeGpu>& gpus() {
  static std::vector<FakeGpu> instance;
  return instance;
}

int put(const std::string& value, char* text, unsigned size) {
  std::snprintf(text, size, "%s", value.c_str());
  return value.size() < size ? 0 : 7;
}

FakeGpu& gpu_of(void* handle) {
  return *static_cast<FakeGpu*>(handle);
}

constexpr int kLost = 15;

}  // namespace

extern "C" {

int nvmlInit_v2() {
  gpus().clear();
  if (asked().starts_with("status ")) return std::atoi(asked().c_str() + 7);
  for (const std::string& part : split(asked(), ';')) {
    const auto fields = split(part, '|');
    gpus().push_back({fields[0], fields.size() > 1 ? fields[1] : "",
                      fields.size() > 2 ? std::strtoull(fields[2].c_str(), nullptr, 10) : 0});
  }
  return 0;
}
int nvmlShutdown() {
  return 0;
}
const char* nvmlErrorString(int status) {
  return status == 9       ? "Driver Not Loaded"
         : status == kLost ? "GPU is lost"
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
  *handle = &gpus()[index];
  return gpus()[index].name == "lost" ? kLost : 0;
}
int nvmlDeviceGetName(void* handle, char* text, unsigned size) {
  return put(gpu_of(handle).name, text, size);
}
#ifndef SATURN_FAKE_NVML_OLD
int nvmlDeviceGetUUID(void* handle, char* text, unsigned size) {
  return put(gpu_of(handle).uuid, text, size);
}
#endif
int nvmlDeviceGetMemoryInfo(void* handle, unsigned long long* total_free_used) {
  total_free_used[0] = gpu_of(handle).mebibytes << 20;
  return 0;
}
}
