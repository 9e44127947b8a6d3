// SPDX-License-Identifier: Apache-2.0
#include "train/shared_segment.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "train/communicator.h"

namespace saturn {
namespace {

constexpr std::uint64_t kMagic = 0x53415455524e0002;  // "SATURN", layout 2
constexpr const char* kMemoryAdvice = "free memory, or raise the limit of shared memory (/dev/shm)";

constexpr std::size_t round_up(std::size_t bytes) {
  return (bytes + 4095) & ~std::size_t{4095};
}

constexpr std::size_t kRanksAt = round_up(sizeof(SegmentHeader));

std::size_t slots_at(int size) {
  return round_up(kRanksAt + sizeof(RankRecord) * static_cast<std::size_t>(size));
}

/// What /proc says of a process: whether it runs (a zombie does not) and when it started, in clock ticks.
struct Life {
  bool alive = false;
  std::uint64_t started = 0;
};

Life life_of(int process) {
  char text[1024];
  const FileDescriptor fd(::open(fmt::format("/proc/{}/stat", process).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {::kill(process, 0) == 0 || errno == EPERM, 0};
  const ssize_t n = ::read(fd.get(), text, sizeof text - 1);
  if (n <= 0) return {};
  text[n] = '\0';
  const char* field = std::strrchr(text, ')');  // the name before it may hold anything
  if (field == nullptr) return {};
  Life life;
  life.alive = field[2] != 'Z' && field[2] != 'X';
  for (int i = 0; i < 20 && field != nullptr; ++i) field = std::strchr(field + 1, ' ');
  if (field != nullptr) life.started = std::strtoull(field, nullptr, 10);
  return life;
}

void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t seen, Seconds slice) {
  const auto nanoseconds = static_cast<long>(std::min(slice.count(), 0.5) * 1e9);
  const timespec limit{0, nanoseconds};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, &limit, nullptr, 0);
}

}  // namespace

void open_gate(Gate& gate, std::uint32_t value) {
  gate.value.store(value, std::memory_order_seq_cst);
  if (gate.sleepers.load(std::memory_order_seq_cst) == 0) return;
  ::syscall(SYS_futex, &gate.value, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

bool reached(const Gate& gate, std::uint32_t target) {
  return static_cast<std::int32_t>(gate.value.load(std::memory_order_seq_cst) - target) >= 0;
}

bool wait_at_gate(Gate& gate, std::uint32_t target, Seconds slice) {
  constexpr int kSpins = 200;   // a few microseconds: the peer is running and nearly there
  constexpr int kYields = 100;  // some ten more, of use to whoever shares this core
  for (int i = 0; i < kSpins; ++i) {
    if (reached(gate, target)) return true;
    __builtin_ia32_pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (reached(gate, target)) return true;
    ::sched_yield();
  }
  gate.sleepers.fetch_add(1, std::memory_order_seq_cst);
  const std::uint32_t seen = gate.value.load(std::memory_order_seq_cst);
  if (static_cast<std::int32_t>(seen - target) < 0) sleep_on(gate.value, seen, slice);
  gate.sleepers.fetch_sub(1, std::memory_order_seq_cst);
  return reached(gate, target);
}

SharedSegment::SharedSegment(const std::filesystem::path& rendezvous, int size, SegmentShape shape)
    : name_(rendezvous.string()), size_(size), shape_(shape) {
  const auto pairs = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  bytes_ = channel_slots_at() + 2 * shape_.channel_bytes * pairs;
  origin_ = bytes_ * static_cast<std::size_t>(shape_.generation);
  fd_ = FileDescriptor(::open(rendezvous.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd_) throw SystemError("open the rendezvous file", name_, errno);
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw SystemError("examine", name_, errno);
  // Only ever grown, and by every rank to the same size: no order among them is needed.
  const bool grown = static_cast<std::size_t>(status.st_size) < origin_ + bytes_;
  if (grown && ::ftruncate(fd_.get(), static_cast<off_t>(origin_ + bytes_)) != 0) {
    throw SystemError("size the rendezvous file", name_, errno, kMemoryAdvice);
  }
  reserve(0, channel_slots_at());
  void* base =
      ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), static_cast<off_t>(origin_));
  if (base == MAP_FAILED) throw SystemError("map the rendezvous file", name_, errno, kMemoryAdvice);
  base_ = static_cast<std::byte*>(base);
  try {
    claim();
  } catch (...) {
    ::munmap(base_, bytes_);
    throw;
  }
}

SharedSegment::~SharedSegment() {
  ::munmap(base_, bytes_);
}

void SharedSegment::claim() const {
  std::uint64_t magic = 0;
  if (!header().magic.compare_exchange_strong(magic, kMagic) && magic != kMagic) {
    throw CommunicatorError(fmt::format("{} is no rendezvous file of this version", name_));
  }
  std::uint32_t size = 0;
  const auto mine = static_cast<std::uint32_t>(size_);
  if (!header().world_size.compare_exchange_strong(size, mine) && size != mine) {
    throw CommunicatorError(fmt::format("{} is for {} ranks, not for {}", name_, size, size_));
  }
}

/// Pages that are only promised kill the writer (SIGBUS) when they cannot be had.
void SharedSegment::reserve(std::size_t offset, std::size_t bytes) const {
  int error = EINTR;
  while (error == EINTR) {
    error = ::posix_fallocate(fd_.get(), static_cast<off_t>(origin_ + offset), static_cast<off_t>(bytes));
  }
  if (error != 0) throw SystemError("reserve shared memory in", name_, error, kMemoryAdvice);
}

std::size_t SharedSegment::channels_at() const {
  return slots_at(size_) + 2 * shape_.slot_bytes * static_cast<std::size_t>(size_);
}

std::size_t SharedSegment::channel_slots_at() const {
  const auto pairs = static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_);
  return round_up(channels_at() + sizeof(ChannelRecord) * pairs);
}

RankRecord& SharedSegment::rank(int rank) const {
  return reinterpret_cast<RankRecord*>(base_ + kRanksAt)[rank];
}

std::byte* SharedSegment::slot(int rank, std::uint32_t round) const {
  return base_ + slots_at(size_) + (2 * static_cast<std::size_t>(rank) + round % 2) * shape_.slot_bytes;
}

std::size_t SharedSegment::channel_index(int from, int to) const {
  return static_cast<std::size_t>(from) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(to);
}

ChannelRecord& SharedSegment::channel(int from, int to) const {
  return reinterpret_cast<ChannelRecord*>(base_ + channels_at())[channel_index(from, to)];
}

std::byte* SharedSegment::channel_slot(int from, int to, std::uint32_t chunk) const {
  return base_ + channel_slots_at() + (2 * channel_index(from, to) + chunk % 2) * shape_.channel_bytes;
}

void SharedSegment::reserve_channel(int from, int to) const {
  reserve(static_cast<std::size_t>(channel_slot(from, to, 0) - base_), 2 * shape_.channel_bytes);
}

std::string SharedSegment::describe(int rank, std::int32_t process) const {
  const std::string where = shape_.host.empty() ? "" : " on " + shape_.host;
  return fmt::format("rank {} (process {}{})", number_of(rank), process, where);
}

/// "rank 1 (process 17) died"; empty while the process lives.
std::string SharedSegment::death_of(int rank, std::int32_t process, std::uint64_t started) const {
  const Life life = life_of(process);
  const bool same = life.started == 0 || life.started == started;
  return life.alive && same ? "" : describe(rank, process) + " died";
}

void SharedSegment::enter(int rank) const {
  RankRecord& record = this->rank(rank);
  std::int32_t taken = 0;
  if (!record.process.compare_exchange_strong(taken, ::getpid())) {
    throw CommunicatorError(
        fmt::format("rank {} of {} is taken by process {}", number_of(rank), name_, taken));
  }
  record.started = life_of(::getpid()).started;
  record.presence = Presence::kPresent;
  open_gate(record.arrival, 1);
}

void SharedSegment::leave(int rank) const {
  this->rank(rank).presence = Presence::kLeft;
}

std::string SharedSegment::loss_of(int rank) const {
  const RankRecord& record = this->rank(rank);
  const Presence presence = record.presence;
  if (presence == Presence::kAbsent) return loss_since_last_generation(rank);
  const std::int32_t process = record.process;
  if (presence == Presence::kLeft) return describe(rank, process) + " has left";
  return death_of(rank, process, record.started);
}

/// Whoever is to come was in the generation before.
std::string SharedSegment::loss_since_last_generation(int rank) const {
  if (shape_.generation == 0) return "";
  const std::size_t at = origin_ - bytes_ + kRanksAt + sizeof(RankRecord) * static_cast<std::size_t>(rank);
  std::int32_t process = 0;
  std::uint64_t started = 0;
  const auto read = [&](auto& value, std::size_t offset) {
    return ::pread(fd_.get(), &value, sizeof value, static_cast<off_t>(at + offset)) == sizeof value;
  };
  const bool known =
      read(process, offsetof(RankRecord, process)) && read(started, offsetof(RankRecord, started));
  return known && process > 0 ? death_of(rank, process, started) : "";
}

void SharedSegment::abort(const std::string& reason) const {
  std::uint32_t state = 0;
  if (!header().abort_state.compare_exchange_strong(state, 1)) return;
  const std::size_t length = std::min(reason.size(), kReasonBytes - 1);
  std::memcpy(header().abort_reason.data(), reason.data(), length);
  header().abort_reason[length] = '\0';
  header().abort_state.store(2, std::memory_order_release);
}

std::string SharedSegment::abort_reason() const {
  if (!is_aborted()) return "";
  // Written in a moment, unless the writer died in between.
  for (int i = 0; i < 100 && header().abort_state.load(std::memory_order_acquire) != 2; ++i) {
    const timespec millisecond{0, 1000000};
    ::nanosleep(&millisecond, nullptr);
  }
  const bool written = header().abort_state.load(std::memory_order_acquire) == 2;
  return written ? std::string(header().abort_reason.data()) : "a rank died while it aborted the gang";
}

}  // namespace saturn
