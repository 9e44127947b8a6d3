#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts_clean.sh ROOT: shellcheck finds nothing in the scripts. Exit 77: there is no shellcheck on this machine.
set -euo pipefail
# shellcheck source=tests/structure/sources.sh
source "${BASH_SOURCE[0]%/*}/sources.sh"
cd "$1"

command -v shellcheck >/dev/null || { echo "skipped: no shellcheck on this machine; apt-get install shellcheck" && exit 77; }
mapfile -t files < <(sources . '*.sh')
for script in .ci/run scripts/slurm/test-cluster scripts/slurm/saturn.sbatch; do # those whose names do not say it
  if [[ -e $script ]]; then files+=("$script"); fi
done
shellcheck --external-sources "${files[@]}"
