// SPDX-License-Identifier: Apache-2.0
// NCCL between threads of one process.
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>

#include "train/fake_gpu.h"
#include "train/fake_stream.h"

using namespace saturn;

namespace {

enum class Kind { kReduce, kGather, kScatter, kBroadcast };

struct Part {
  const void* in = nullptr;
  void* out = nullptr;
};
struct Meeting {
  std::map<int, Part> parts;  // by rank
  bool done = false;
};
struct Message {
  const void* data = nullptr;
  bool taken = false;
};

/// What the ranks of one communicator share.
struct Gang {
  std::mutex mutex;
  std::condition_variable changed;
  int size = 0, arrived = 0;
  std::map<std::uint64_t, Meeting> meetings;                        // by number of the collective
  std::map<std::tuple<int, int, std::uint64_t>, Message> messages;  // from, to, number
};

/// What all communicators of the process share.
struct Registry {
  std::mutex mutex;
  std::map<std::uint64_t, std::shared_ptr<Gang>> gangs;  // by NCCL's unique id
  std::map<int, ncclResult_t> errors;                    // by rank
  std::atomic<int> live{0};
};

Registry& registry() {
  static Registry instance;
  return instance;
}

struct Shape {
  Kind kind = Kind::kReduce;
  std::size_t count = 0;  // of one part
  Dtype dtype = Dtype::kFloat32;
  bool max = false;
  int root = 0;
};

Dtype dtype_of(ncclDataType_t type) {
  return type == ncclFloat32    ? Dtype::kFloat32
         : type == ncclFloat64  ? Dtype::kFloat64
         : type == ncclBfloat16 ? Dtype::kBFloat16
                                : Dtype::kInt64;
}

const std::byte* at(const void* data, std::size_t index, const Shape& shape) {
  return static_cast<const std::byte*>(data) + index * size_of(shape.dtype);
}

/// Element `index` of all ranks' inputs, added or the largest.
double reduced(const std::map<int, Part>& parts, std::size_t index, const Shape& shape) {
  double result = shape.max ? -1e300 : 0;
  for (const auto& [rank, part] : parts) {
    const double value = Element::get(at(part.in, index, shape), shape.dtype);
    result = shape.max ? std::max(result, value) : result + value;
  }
  return result;
}

/// Reads all inputs before any output is written: they may be the same memory.
void compute(const std::map<int, Part>& parts, const Shape& shape) {
  const auto ranks = parts.size();
  const std::size_t element = size_of(shape.dtype);
  const bool whole = shape.kind == Kind::kGather || shape.kind == Kind::kScatter;
  std::vector<std::byte> result(shape.count * element * (whole ? ranks : 1));
  for (std::size_t i = 0; i < result.size() / element; ++i) {
    std::byte* to = result.data() + i * element;
    if (shape.kind == Kind::kGather) {
      std::memcpy(to, at(parts.at(static_cast<int>(i / shape.count)).in, i % shape.count, shape), element);
    } else if (shape.kind == Kind::kBroadcast) {
      std::memcpy(to, at(parts.at(shape.root).in, i, shape), element);
    } else {
      Element::put(to, shape.dtype, reduced(parts, i, shape));
    }
  }
  for (const auto& [rank, part] : parts) {
    const std::size_t first = shape.kind == Kind::kScatter ? static_cast<std::size_t>(rank) * shape.count : 0;
    const std::size_t bytes = shape.kind == Kind::kScatter ? shape.count * element : result.size();
    std::memcpy(part.out, result.data() + first * element, bytes);
  }
}

struct Transfer {
  bool send = false;
  void* data = nullptr;
  std::size_t bytes = 0;
  int peer = 0;
  std::uint64_t number = 0;
};

/// Transfers between ncclGroupStart and ncclGroupEnd.
struct Group {
  bool open = false;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  std::vector<Transfer> transfers;
};
thread_local Group group;

}  // namespace

struct ncclComm {
  std::shared_ptr<Gang> gang;
  int rank = 0;
  bool aborted = false;  // under the gang's mutex
  int running = 0;       // tasks on streams, under the gang's mutex
  int unsettled = 0;     // how often the next questions are answered with ncclInProgress
  std::uint64_t collectives = 0;
  std::map<int, std::uint64_t> sent, received;
};

namespace {

/// Queues `work`, which is given the locked gang.
ncclResult_t queue(ncclComm_t comm, cudaStream_t stream,
                   std::function<void(std::unique_lock<std::mutex>&)> work) {
  const std::lock_guard lock(comm->gang->mutex);
  ++comm->running;
  comm->unsettled = 2;
  stream->push([comm, gang = comm->gang, work = std::move(work)] {
    std::unique_lock inside(gang->mutex);
    if (!comm->aborted) work(inside);
    --comm->running;
    gang->changed.notify_all();
  });
  return ncclInProgress;
}

ncclResult_t collective(ncclComm_t comm, cudaStream_t stream, Part part, Shape shape) {
  const std::uint64_t number = comm->collectives++;
  return queue(comm, stream, [=](std::unique_lock<std::mutex>& lock) {
    Gang& gang = *comm->gang;
    Meeting& meeting = gang.meetings[number];
    meeting.parts[comm->rank] = part;
    if (static_cast<int>(meeting.parts.size()) == gang.size) {
      compute(meeting.parts, shape);
      meeting.done = true;
      gang.changed.notify_all();
    }
    gang.changed.wait(lock, [&] { return meeting.done || comm->aborted; });
  });
}

/// Like NCCL's large messages: a send ends when the peer has taken it.
ncclResult_t transfer(ncclComm_t comm, cudaStream_t stream, std::vector<Transfer> transfers) {
  for (Transfer& t : transfers) t.number = (t.send ? comm->sent : comm->received)[t.peer]++;
  return queue(comm, stream, [=](std::unique_lock<std::mutex>& lock) {
    Gang& gang = *comm->gang;
    for (const Transfer& t : transfers) {
      if (t.send) gang.messages[{comm->rank, t.peer, t.number}] = {t.data, false};
    }
    gang.changed.notify_all();
    for (const Transfer& t : transfers) {
      if (t.send) continue;
      const auto key = std::make_tuple(t.peer, comm->rank, t.number);
      gang.changed.wait(lock, [&] { return gang.messages.contains(key) || comm->aborted; });
      if (comm->aborted) return;
      std::memcpy(t.data, gang.messages.at(key).data, t.bytes);
      gang.messages.at(key).taken = true;
      gang.changed.notify_all();
    }
    for (const Transfer& t : transfers) {
      if (!t.send) continue;
      const auto key = std::make_tuple(comm->rank, t.peer, t.number);
      gang.changed.wait(lock, [&] { return gang.messages.at(key).taken || comm->aborted; });
    }
  });
}

ncclResult_t transfer_or_collect(ncclComm_t comm, cudaStream_t stream, const Transfer& one) {
  if (!group.open) return transfer(comm, stream, {one});
  group.comm = comm;
  group.stream = stream;
  group.transfers.push_back(one);
  return ncclSuccess;
}

std::size_t bytes_of(std::size_t count, ncclDataType_t type) {
  return count * size_of(dtype_of(type));
}

}  // namespace

namespace saturn::fake_gpu {

void report_error(int rank, ncclResult_t error) {
  const std::lock_guard lock(registry().mutex);
  registry().errors[rank] = error;
}
int live_communicators() {
  return registry().live;
}

}  // namespace saturn::fake_gpu

extern "C" {

const char* ncclGetErrorString(ncclResult_t) {
  return "an error of NCCL";
}
const char* ncclGetLastError(ncclComm_t) {
  return "in full";
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<std::uint64_t> next{1};
  const std::uint64_t number = next++;
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config->blocking != 0) return ncclInvalidArgument;
  std::uint64_t number = 0;
  std::memcpy(&number, id.internal, sizeof number);
  const std::lock_guard lock(registry().mutex);
  std::shared_ptr<Gang>& gang = registry().gangs[number];
  if (!gang) gang = std::make_shared<Gang>();
  const std::lock_guard gang_lock(gang->mutex);
  gang->size = size;
  ++gang->arrived;
  *comm = new ncclComm{gang, rank};
  ++registry().live;
  return ncclInProgress;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  const std::lock_guard lock(registry().mutex);
  const std::lock_guard gang_lock(comm->gang->mutex);
  *state = registry().errors[comm->rank];
  if (*state == ncclSuccess && (comm->gang->arrived < comm->gang->size || comm->unsettled-- > 0)) {
    *state = ncclInProgress;
  }
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const std::shared_ptr<Gang> gang = comm->gang;
  std::unique_lock lock(gang->mutex);
  comm->aborted = true;
  gang->changed.notify_all();
  gang->changed.wait(lock, [&] { return comm->running == 0; });
  delete comm;
  --registry().live;
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const std::lock_guard lock(comm->gang->mutex);
  comm->unsettled = 3;
  return ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  return ncclCommAbort(comm);
}
ncclResult_t ncclAllReduce(const void* in, void* out, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, {in, out}, {Kind::kReduce, count, dtype_of(type), op == ncclMax, 0});
}
ncclResult_t ncclAllGather(const void* in, void* out, std::size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return collective(comm, stream, {in, out}, {Kind::kGather, count, dtype_of(type), false, 0});
}
ncclResult_t ncclReduceScatter(const void* in, void* out, std::size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, {in, out}, {Kind::kScatter, count, dtype_of(type), op == ncclMax, 0});
}
ncclResult_t ncclBroadcast(const void* in, void* out, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, {in, out}, {Kind::kBroadcast, count, dtype_of(type), false, root});
}
ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t type, int to, ncclComm_t comm,
                      cudaStream_t stream) {
  return transfer_or_collect(comm, stream, {true, const_cast<void*>(data), bytes_of(count, type), to, 0});
}
ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t type, int from, ncclComm_t comm,
                      cudaStream_t stream) {
  return transfer_or_collect(comm, stream, {false, data, bytes_of(count, type), from, 0});
}
ncclResult_t ncclGroupStart() {
  group.open = true;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  const Group ended = std::exchange(group, {});
  return ended.comm == nullptr ? ncclSuccess : transfer(ended.comm, ended.stream, ended.transfers);
}
}
