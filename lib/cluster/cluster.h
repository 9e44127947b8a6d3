// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/units.h"
#include "cluster/gpu.h"
#include "workload/workload.h"

namespace saturn {

/// What one rank runs on: a CPU slot (some cores and a memory budget) or a GPU (with some cores beside it).
struct Device {
  int index = 0;           ///< within its node, from 0
  std::vector<int> cores;  ///< CPU cores that the rank is pinned to; empty = not pinned
  Bytes memory_bytes = 0;  ///< budget of the slot's or the GPU's memory; 0 = unlimited
  std::string uuid;        ///< of a GPU: by this it is known, whatever the order of enumeration
  std::string name;        ///< of a GPU: its model
  /// On a machine of a Slurm job: its place among the job's GPUs there, or a slot's among the slots; `cores`
  /// are places, too, among the CPUs that a process of the job has there. -1: they are the machine's own
  /// numbers.
  int ordinal = -1;

  bool operator==(const Device&) const = default;
};

struct Node {
  std::string name;
  std::string kind = "cpu";  ///< device type (is_cpu_kind or gpu_kind): configurations are measured per kind
  std::vector<Device> devices;
  std::string host{};  ///< where it lies in a Slurm job, by Slurm's name; empty: on this machine

  bool operator==(const Node&) const = default;
};

struct Cluster {
  std::vector<Node> nodes;

  int device_count() const;
  bool operator==(const Cluster&) const = default;
};

/// Whether devices of this kind are CPU slots: "cpu" and "cpu-NAME"; every other kind is of GPUs.
bool is_cpu_kind(std::string_view kind);

/// What this machine has.
struct Machine {
  std::vector<int> cores;  ///< that this process may use
  Bytes memory_bytes = 0;
  std::string cpu_model;
  GpuInventory gpus;  ///< empty until somebody has asked for them (usable_gpus)
};
/// Without its GPUs: to ask for them takes a while.
Machine this_machine();

/// Whether `discover` will look at the machine's GPUs.
bool may_use_gpus(const ClusterSpec& spec);

/// The cluster that the workload asks for on this machine. `auto`: the GPUs, one node a kind (gpu_nodes.h);
/// if there are none, or they are not wanted, one node "local" of CPU slots, one per core unless told
/// otherwise; explicit nodes are parts of this machine. Cores are dealt out in order, the same number to
/// every device (what does not divide stays idle: the devices of a kind must be alike); explicit nodes that
/// give no number of cores share them round-robin when there are more devices than cores. Nine tenths of the
/// memory are split evenly among the slots, after what is given explicitly; a GPU has its own
/// (gpu_memory_budget). Errors: InputError with all of: more slots, GPUs or cores than the machine's, more
/// memory than it or the GPU has, two nodes of one name, a kind that is not there, nodes of one kind that
/// differ.
Cluster discover(const ClusterSpec& spec, const Machine& machine);

/// What a person should know of a cluster that is allowed: one line for every core that devices share.
std::vector<std::string> cluster_warnings(const Cluster& cluster);

nlohmann::ordered_json to_json(const Device& device);
Device device_from_value(const Value& value, const std::string& what, Diagnostics& diagnostics);

nlohmann::ordered_json to_json(const Cluster& cluster);
Cluster cluster_from_value(const Value& value, Diagnostics& diagnostics);

/// On the machine of these devices: makes places into the machine's own numbers. `cores`: that this process
/// may use; a device whose cores are not all there is pinned to none. GPUs (`kind`) get as `uuid` what stands
/// at their place in `visible`, the CUDA_VISIBLE_DEVICES that Slurm has given this process (null, not set:
/// their ordinal). Errors: SystemError, when fewer are visible.
void settle(std::vector<Device>& devices, const std::string& kind, const std::vector<int>& cores,
            const char* visible);

/// Hash of everything in it but which GPUs they are: a plan is as good on another machine with the same ones.
std::string cluster_hash(const Cluster& cluster);

}  // namespace saturn
