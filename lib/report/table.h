// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "report/style.h"

namespace saturn {

/// Text in columns: a heading line, then a line per row; columns are as wide as their widest cell and two
/// blanks apart. A column that is empty in every row is left out. The last column is cut to the style's
/// width.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell per column; control characters become blanks. `ink` colours the whole line.
  void add(std::vector<std::string> cells);
  void add(std::vector<std::string> cells, Ink ink);
  bool empty() const { return rows_.empty(); }

  /// Every line with its newline; no trailing blanks.
  std::string to_text(const Style& style) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    bool inked = false;
    Ink ink = Ink::kBold;
  };
  std::vector<size_t> widths(size_t limit) const;
  std::string line(const std::vector<std::string>& cells, const std::vector<size_t>& widths, int width) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace saturn
