#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpu_bundle_test.sh BUILD TORCH SOURCE: what scripts/bench/gpu.sh packs for a GPU machine runs from its folder alone and
# prints the figures; here with a tiny model on a CPU slot.
set -euo pipefail

build=$1 torch=$2 source=$3
[[ -e $build/lib/train/saturn-cuda.so ]] || { echo "skipped: saturn-cuda.so is not built" && exit 77; }
[[ -x $build/bin/saturn && -x $build/bin/saturn-worker ]] || { echo "skipped: the programs are not built" && exit 77; }
command -v python3 >/dev/null || { echo "skipped: there is no python3" && exit 77; }
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
fail() {
  echo "$1" >&2
  cat "$world/out" >&2
  exit 1
}

"$source/scripts/bench/gpu.sh" --bundle "$world/bundle" "$build" >"$world/out" 2>&1 || fail 'no bundle was made'
mv "$world/bundle" "$world/moved"
"$source/scripts/bench/gpu.sh" --bundle "$world/moved" "$build" >"$world/out" 2>&1 && fail 'a folder that is there was taken'
export SATURN_TORCH_DIR=$torch CLUSTER='{nodes: [{name: a, devices: 1, cores: 1}]}' LAYERS=1 WIDTH=96 CONTEXT=64 VOCABULARY=512 BATCH=4 PRECISION=fp32 TRIAL_TIME=500ms
"$world/moved/gpu.sh" >"$world/out" 2>&1 || fail 'the bundle does not run'
grep -qE '^[0-9,]+ tokens/s, [0-9.]+ TFLOP/s$' "$world/out" || fail 'the figures are missing'

echo 1.0.0 >"$world/moved/torch-version"
if "$world/moved/gpu.sh" >"$world/out" 2>&1; then fail 'it ran with another PyTorch'; fi
grep -qF 'gpu.sh: this was built for PyTorch 1.0.0, and ' "$world/out" || fail 'the other PyTorch is not named'
