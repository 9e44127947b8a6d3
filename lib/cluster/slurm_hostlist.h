// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saturn {

/// The hosts of one of Slurm's host lists, in its order: "n[1,3-4],gpu07" -> n1, n3, n4, gpu07;
/// "rack[0-1]n[08-10]" is every combination, zeros are kept. Empty when it is no such list, or one of more
/// than a million hosts.
std::optional<std::vector<std::string>> expand_hostlist(std::string_view list);

/// The numbers of a list such as "0-3,8", in its order; "" has none. Empty when it is no such list.
std::optional<std::vector<int>> expand_numbers(std::string_view list);

/// The parts between commas that stand in no brackets or parentheses: "a[1,2],b" -> "a[1,2]", "b".
std::vector<std::string_view> split_outside_brackets(std::string_view list);

}  // namespace saturn
