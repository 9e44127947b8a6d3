// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "cluster/cluster.h"

namespace saturn {

/// A cluster in short: "2x8:h100,1x4:a100" is two nodes of eight h100 and one of four a100, called n1, n2, n3
/// in that order. "COUNTx" may be left out (one node), ":KIND" too (CPU slots, "cpu"). Nothing else is known
/// of the devices. Otherwise what is wrong with the text.
std::variant<Cluster, std::string> parse_cluster_shape(std::string_view text);

}  // namespace saturn
