// SPDX-License-Identifier: Apache-2.0
#include "report/table.h"

#include <algorithm>
#include <cassert>

namespace saturn {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kNarrowestText = 8;

std::string padded(const std::string& cell, size_t width, Table::Align align) {
  const std::string blanks(width - std::min(width, columns_of(cell)), ' ');
  return align == Table::Align::kLeft ? cell + blanks : blanks + cell;
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = one_line(cell);
  rows_.push_back({std::move(cells)});
}

void Table::add(std::vector<std::string> cells, Ink ink) {
  add(std::move(cells));
  rows_.back().inked = true;
  rows_.back().ink = ink;
}

/// 0 for a column that nothing stands in. Numbers (right-aligned) keep their width; the widest text gives way
/// first.
std::vector<size_t> Table::widths(size_t limit) const {
  std::vector<size_t> widths(columns_.size(), 0);
  for (const Row& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], columns_of(row.cells[i]));
  }
  size_t total = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] > 0) widths[i] = std::max(widths[i], columns_of(columns_[i].heading));
    if (widths[i] > 0) total += widths[i] + (total > 0 ? kGap : 0);
  }
  for (; total > limit; --total) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < widths.size(); ++i) {
      const bool text = columns_[i].align == Align::kLeft && widths[i] > kNarrowestText;
      if (text && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
  }
  return widths;
}

std::string Table::line(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
                        int width) const {
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (widths[i] == 0) continue;
    if (!text.empty()) text.append(kGap, ' ');
    text += padded(cut(cells[i], widths[i]), widths[i], columns_[i].align);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return cut(text, static_cast<size_t>(std::max(width, 1)));
}

std::string Table::to_text(const Style& style) const {
  const std::vector<size_t> column_widths = widths(static_cast<size_t>(std::max(style.width, 1)));
  std::vector<std::string> headings;
  for (const Column& column : columns_) headings.push_back(column.heading);
  std::string text = paint(style, Ink::kBold, line(headings, column_widths, style.width)) + "\n";
  for (const Row& row : rows_) {
    const std::string plain = line(row.cells, column_widths, style.width);
    text += (row.inked ? paint(style, row.ink, plain) : plain) + "\n";
  }
  return text;
}

}  // namespace saturn
