#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The other checks themselves: each finds what is wrong in a small tree, and names the file. A check without its tool is skipped.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree/lib" "$tree/.ci"
printf '#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n' >"$tree/.ci/run"
# shellcheck disable=SC2016
printf '#!/bin/bash\n\n\n# SPDX-License-Identifier: Apache-2.0\nrm $1\n' >"$tree/late.sh"
printf 'int  badly_spaced;\n' >"$tree/lib/none.h"
cp "$here/../../.clang-format" "$tree"

finds() { # CHECK LINE: the check fails and says this line
  local code=0 said
  said=$("$here/$1.sh" "$tree" 2>&1) || code=$?
  [[ $code == 77 ]] && echo "$said" && return
  [[ $code == 1 ]] && grep -qF "$2" <<<"$said" && return
  printf '%s.sh: exit code %s, and it says:\n%s\n' "$1" "$code" "$said" >&2
  exit 1
}
finds licence "late.sh:1: no line 'SPDX-License-Identifier: Apache-2.0'"
finds licence "lib/none.h:1: no line 'SPDX-License-Identifier: Apache-2.0'"
finds format "lib/none.h:1:4: error: code should be clang-formatted"
finds scripts_clean "In late.sh line 5:"
