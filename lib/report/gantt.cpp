// SPDX-License-Identifier: Apache-2.0
#include "report/gantt.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>

#include "report/duration.h"

namespace saturn {
namespace {

/// "node:0" and "node:3" as "node:0-3"; other pairs as "a - b".
std::string range_label(const std::string& first, const std::string& last) {
  if (first == last) return first;
  const size_t colon = first.rfind(':');
  const bool one_node = colon != std::string::npos && last.compare(0, colon + 1, first, 0, colon + 1) == 0;
  return one_node ? first + "-" + last.substr(colon + 1) : first + " - " + last;
}

/// Gangs fill many devices alike: neighbours with equal bars become one row.
std::vector<GanttRow> merged(const std::vector<GanttRow>& rows) {
  std::vector<GanttRow> result;
  std::string first;
  for (const GanttRow& row : rows) {
    if (!result.empty() && result.back().bars == row.bars) {
      result.back().device = range_label(first, row.device);
    } else {
      result.push_back(row);
      first = row.device;
    }
  }
  return result;
}

/// Exactly `width` columns: "[name====]", or less of it.
std::string bar_text(const std::string& label, size_t width) {
  if (width == 0) return "";
  if (width == 1) return "#";
  const std::string name = cut(one_line(label), width - 2);
  return "[" + name + std::string(width - 2 - columns_of(name), '=') + "]";
}

std::string row_text(const GanttRow& row, double total, size_t width) {
  const auto column = [&](double seconds) {
    const double at = std::clamp(seconds / total, 0.0, 1.0) * static_cast<double>(width);
    return static_cast<size_t>(std::llround(at));
  };
  std::vector<GanttBar> bars = row.bars;
  std::sort(bars.begin(), bars.end(),
            [](const GanttBar& a, const GanttBar& b) { return a.start_seconds < b.start_seconds; });
  std::string text;
  size_t at = 0;  // columns written; a bar too short for a column only shows where there is room
  for (const GanttBar& bar : bars) {
    const size_t start = std::max(at, column(bar.start_seconds));
    const size_t end = std::max(column(bar.end_seconds), std::min(start + 1, width));
    if (end <= start) continue;
    text += std::string(start - at, '.') + bar_text(bar.label, end - start);
    at = end;
  }
  return text + std::string(width - at, '.');
}

/// "0 s      30 s      1:00", the last label ending in the last column.
std::string axis(double total, size_t width) {
  const std::string end = duration_text(total);
  const std::string middle = duration_text(total / 2);
  std::string text = "0 s";
  const size_t middle_at = width / 2;
  if (middle_at > text.size() + 1 && middle_at + middle.size() + 1 + end.size() < width) {
    text += std::string(middle_at - text.size(), ' ') + middle;
  }
  if (text.size() + 1 + end.size() > width) return text;
  return text + std::string(width - text.size() - end.size(), ' ') + end;
}

}  // namespace

std::vector<GanttRow> gantt_rows(const Plan& plan, const Cluster& cluster) {
  std::vector<GanttRow> rows;
  for (const Node& node : cluster.nodes) {
    for (const Device& device : node.devices) {
      GanttRow row{fmt::format("{}:{}", node.name, device.index), {}};
      for (const Assignment& a : plan.assignments) {
        const bool here = any_device(a, [&](const std::string& name, int index) {
          return name == node.name && index == device.index;
        });
        if (here) row.bars.push_back({a.task, a.start_seconds, a.end_seconds()});
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string gantt(const std::vector<GanttRow>& rows, const Style& style) {
  double total = 0;
  for (const GanttRow& row : rows) {
    for (const GanttBar& bar : row.bars) total = std::max(total, bar.end_seconds);
  }
  if (total <= 0) return "";
  const std::vector<GanttRow> shown = merged(rows);
  size_t label_width = 0;
  for (const GanttRow& row : shown) label_width = std::max(label_width, columns_of(row.device));
  label_width = std::min(label_width, static_cast<size_t>(style.width / 3));
  const size_t width = static_cast<size_t>(style.width) - std::min<size_t>(label_width + 1, style.width - 8);
  std::string text;
  for (const GanttRow& row : shown) {
    const std::string label = cut(row.device, label_width);
    text +=
        label + std::string(label_width - columns_of(label) + 1, ' ') + row_text(row, total, width) + "\n";
  }
  return text + std::string(label_width + 1, ' ') + axis(total, width) + "\n";
}

}  // namespace saturn
