// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace saturn {

/// Wall-clock spans. Fields of value types that stand in files are doubles named `..._seconds`.
using Seconds = std::chrono::duration<double>;

using Bytes = std::int64_t;

/// "512MiB", "2 GB", "1048576", "1.5GiB" -> bytes (KB = 1000, KiB = 1024). Empty when it is no such text or
/// negative.
std::optional<Bytes> parse_bytes(const std::string& text);
/// 1536 -> "1.5 KiB"; three significant digits.
std::string to_text_bytes(Bytes bytes);

/// "90", "90s", "1.5h", "2d", "1h30m", "250ms" -> seconds. Empty when it is no such text or negative.
std::optional<Seconds> parse_duration(const std::string& text);
/// 0.0123 -> "12.3 ms", 75 -> "1:15", 4000 -> "1:06:40", 12.34 -> "12.3 s".
std::string to_text_duration(Seconds seconds);

}  // namespace saturn
