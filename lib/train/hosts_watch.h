// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "train/shared_segment.h"

namespace saturn {

/// On the first rank of a host, a thread that carries aborts between the hosts and aborts the gang when
/// another host's first rank is gone, or when a process of this host dies.
class HostsWatch {
 public:
  struct Other {
    std::string name;  ///< "rank 2 (process 17 on n1)": the first of its host
    FileDescriptor socket;
  };

  /// All ranks of this host are present on `segment`. Errors: SystemError.
  HostsWatch(std::shared_ptr<const SharedSegment> segment, std::vector<Other> others);
  /// Tells the others of an abort, or that this rank leaves.
  ~HostsWatch();
  HostsWatch(const HostsWatch&) = delete;
  HostsWatch& operator=(const HostsWatch&) = delete;

  /// There is an abort to be told of.
  void wake() const;

 private:
  void run();
  void hear(Other& other);
  void look_after_processes();
  void tell(const std::string& reason);
  void abort(const std::string& reason) const { segment_->abort(reason); }

  std::shared_ptr<const SharedSegment> segment_;
  std::vector<Other> others_;
  std::vector<FileDescriptor> processes_;  ///< of the host's other ranks; none: it has left
  FileDescriptor wake_;
  std::atomic<bool> leaving_{false};
  bool told_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace saturn
