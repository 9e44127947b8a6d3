#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds everything and runs the tests: test.sh [--preset NAME] [--all] [CTEST OPTION...]
#   --preset   release (default), debug, asan or tsan
#   --all      also those of label long (some eight minutes more): all parallelisms against plain training, random problems by
#              the thousand, kills at random moments, whole sweeps in which everything happens
#   -L LABEL   only these tests (any other option goes to ctest as well)
#   SATURN_RANDOM_CASES=all   tests of random problems and runs look at all of their cases, not at a part
# Labels that this machine cannot run are skipped, and said so. Ends with ctest's summary and its exit code.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

preset=release
if [[ ${1:-} == --preset ]]; then
  preset=${2:?--preset needs a name: release, debug, asan or tsan}
  shift 2
fi
all=
if [[ ${1:-} == --all ]]; then
  all=yes
  shift
fi
FOR_TESTS=1 scripts/build.sh "$preset"

skipped=()
skip() { # LABEL REASON; without tests of that label there is nothing to say
  skipped+=("$1")
  echo "test.sh: label $1 skipped: $2" >&2
}
labels=$(ctest --test-dir "build/$preset" --print-labels)
has_label() { grep -qx "  $1" <<<"$labels"; }

if has_label gpu && ! compgen -G '/dev/nvidia[0-9]*' >/dev/null; then skip gpu "no GPU on this machine"; fi
if has_label slurm && ! command -v sbatch >/dev/null; then skip slurm "no Slurm on this machine"; fi
if [[ -z $all ]]; then skip long "say --all for them"; fi
if grep -q '^SATURN_WITH_WORKER:BOOL=OFF' "build/$preset/CMakeCache.txt"; then
  echo "test.sh: label train skipped: the preset $preset builds no saturn-worker" >&2
fi

exclude=()
if ((${#skipped[@]})); then exclude=(-LE "^($(IFS='|' && echo "${skipped[*]}"))$"); fi
# Twice as many as there are cores: tests that only wait count as one, others as two or more (PROCESSORS).
exec ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --parallel "$((2 * ${JOBS:-$(nproc)}))" \
  "${exclude[@]}" "$@" </dev/null
