#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# licence.sh ROOT: every source and script says its licence in one of its first two lines.
set -euo pipefail
# shellcheck source=tests/structure/sources.sh
source "${BASH_SOURCE[0]%/*}/sources.sh"
cd "$1"

mapfile -t files < <(sources . '*.h' '*.cpp' '*.sh' '*.py')
wrong=0
for file in "${files[@]}" .ci/run scripts/slurm/test-cluster scripts/slurm/saturn.sbatch; do
  grep -q '^[12]:' <<<"$(grep -m1 -n 'SPDX-License-Identifier: Apache-2.0$' "$file")" || {
    echo "$file:1: no line 'SPDX-License-Identifier: Apache-2.0'"
    wrong=1
  }
done
exit "$wrong"
