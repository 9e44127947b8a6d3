#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# format.sh ROOT: every source is as clang-format makes it. Exit 77: there is no clang-format of the version the style is for.
set -euo pipefail
# shellcheck source=tests/structure/sources.sh
source "${BASH_SOURCE[0]%/*}/sources.sh"
cd "$1"

readonly version=14 # another version breaks some lines elsewhere
clang_format=$(command -v "clang-format-$version" || command -v clang-format) ||
  { echo "skipped: no clang-format on this machine; apt-get install clang-format" && exit 77; }
found=$("$clang_format" --version)
[[ $found =~ version\ $version\. ]] || { echo "skipped: the style is checked with version $version, this is $found" && exit 77; }

mapfile -t files < <(sources . '*.h' '*.cpp')
"$clang_format" --dry-run -Werror "${files[@]}" || { echo "to mend: $clang_format -i FILE" && exit 1; }
