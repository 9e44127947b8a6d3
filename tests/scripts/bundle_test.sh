#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bundle_test.sh BUILD TORCH SOURCE: what scripts/bundle.sh packs runs from a folder of its own, with no library of this system but
# glibc's; it plans, and trains with the LibTorch of a PyTorch that is there. The benchmark in it measures a tiny model on a CPU slot.
set -euo pipefail

build=$1 torch=$2 source=$3
[[ -x $build/bin/saturn && -x $build/bin/saturn-worker ]] || { echo "skipped: the programs are not built" && exit 77; }
for program in patchelf python3; do
  command -v $program >/dev/null || { echo "skipped: there is no $program" && exit 77; }
done
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
fail() {
  echo "$1" >&2
  head -n 30 "$world/out" >&2
  exit 1
}

"$source/scripts/bundle.sh" --torch present --output "$world" "$build" >"$world/out" 2>&1 || fail 'no bundle was made'
if "$source/scripts/bundle.sh" --torch present --output "$world" "$build" >"$world/out" 2>&1; then fail 'a bundle was overwritten'; fi
mkdir "$world/a place"
tar -C "$world/a place" -xzf "$world"/saturn-*-x86_64.tar.gz
mv "$world/a place"/saturn-* "$world/a place/saturn"
bundle="$world/a place/saturn"

"$bundle/bin/use-torch" "$torch" >"$world/out" 2>&1 || fail 'the LibTorch is not taken'
glibc='/lib(/x86_64-linux-gnu)?/(libc|libm|libdl|libpthread|librt|libutil)\.so'
# (saturn-cuda.so needs what comes with PyTorch's wheels for CUDA, which this LibTorch need not have.)
find "$bundle/bin" "$bundle/lib" \( -name saturn -o -name saturn-worker -o -name '*.so*' \) -type f \
  ! -name saturn-cuda.so -exec ldd {} + >"$world/out"
strays=$(grep '=> /' "$world/out" | grep -vE "=> ($bundle|$glibc)" | grep -vF "${torch%/torch}" || true)
[[ -z $strays ]] || fail "libraries of this system are used: $strays"
! grep 'not found' "$world/out" || fail 'libraries are missing'

cd "$world"
cat >w.yaml <<'YAML'
name: w
cluster: {nodes: [{name: a, devices: 1, cores: 1}]}
profile: {trial_time: 300ms}
parallelisms: [ddp]
tasks:
  - {name: a, steps: 3, batch_size: 4, model: {layers: 1, heads: 1, width: 8, context: 8}, data: {files: text.txt, validation_fraction: 0.2}}
  - {name: b, steps: 4, batch_size: 4, model: {layers: 1, heads: 1, width: 8, context: 8}, data: {files: text.txt, validation_fraction: 0.2}}
YAML
seq 1 2000 >text.txt
env -i PATH=/usr/bin:/bin HOME="$world" "$bundle/bin/saturn" plan w.yaml --method paper >"$world/out" 2>&1 || fail 'CBC does not run'
env -i PATH=/usr/bin:/bin HOME="$world" "$bundle/bin/saturn" run w.yaml >"$world/out" 2>&1 || fail 'the bundle does not run'
grep -qF '2 tasks: 2 finished' "$world/out" || fail 'not every task was trained'

export CLUSTER='{nodes: [{name: a, devices: 1, cores: 1}]}' LAYERS=1 WIDTH=96 CONTEXT=64 VOCABULARY=512 BATCH=4 PRECISION=fp32 TRIAL_TIME=500ms
"$bundle/share/saturn/bench/gpu.sh" >"$world/out" 2>&1 || fail 'its benchmark does not run'
grep -qE '^[0-9,]+ tokens/s, [0-9.]+ TFLOP/s$' "$world/out" || fail 'the figures are missing'

echo 1.0.0 >"$bundle/lib/saturn/torch-version"
if "$bundle/bin/use-torch" "$torch" >"$world/out" 2>&1; then fail 'it took another PyTorch'; fi
grep -qF 'use-torch: this was built for PyTorch 1.0.0, and ' "$world/out" || fail 'the other PyTorch is not named'
