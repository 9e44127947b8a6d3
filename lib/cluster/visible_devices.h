// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

namespace saturn {

/// The entries of a CUDA_VISIBLE_DEVICES, without the blanks around them. Parts of `list`.
std::vector<std::string_view> visible_entries(std::string_view list);

}  // namespace saturn
