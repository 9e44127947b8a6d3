#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up, configures and builds: build.sh [PRESET [TARGET...]]; presets: release (default), debug, asan, tsan.
# Without targets everything is built. JOBS: how many compilers at once (default: one per core).
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

preset=${1:-release}
torch=$(scripts/setup.sh ${FOR_TESTS:+--for-tests})
mkdir -p build/deps
ln -sfn "$torch" build/deps/torch # a name that does not change, for workloads that read its files
cmake --preset "$preset" -DSATURN_TORCH_DIR="$torch" >&2
cmake --build "build/$preset" --parallel "${JOBS:-$(nproc)}" ${2:+--target "${@:2}"} >&2
