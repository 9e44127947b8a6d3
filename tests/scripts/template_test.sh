#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# template_test.sh BUILD TORCH: what is installed is enough to write a parallelism and a model, and to bring a script: the
# templates, copied out of the prefix, are built by find_package(Saturn); the parallelism is held to plain training; both,
# and the example of a script, train tasks. The prefix is moved before it is used.
set -euo pipefail

build=$1 torch=$2
[[ -x $build/bin/saturn && -x $build/bin/saturn-worker ]] || { echo "skipped: the programs are not built" && exit 77; }
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
export XDG_CACHE_HOME=$world/cache NO_COLOR=1
export CMAKE_GENERATOR=Ninja # what the set-up installs; make may not be there
unset SATURN_TORCH_DIR SATURN_PARALLELISM_PATH
fail() {
  echo "$1" >&2
  [[ ! -f $world/log ]] || cat "$world/log" >&2
  exit 1
}
# try COMMAND...: it must go well; what it says is in the log.
try() { "$@" >"$world/log" 2>&1 || fail "'$*' failed"; }
says() { grep -qF -- "$1" <(tr -s ' \n' ' ' <"$world/log") || fail "it does not say '$1'"; }

try cmake --install "$build" --prefix "$world/first"
mv "$world/first" "$world/moved"
saturn=$world/moved/bin/saturn
cp -r "$world/moved/share/saturn/templates" "$world/mine"
cd "$world/mine"

# No LibTorch: said, with what to pass.
! cmake -S parallelism -B wrong -DCMAKE_PREFIX_PATH="$world/moved" -DSATURN_TORCH_DIR="$world/nowhere" >"$world/log" 2>&1 ||
  fail 'a LibTorch that is not there is taken'
says "no LibTorch in $world/nowhere: pass -DSATURN_TORCH_DIR="

try cmake -S parallelism -B build -DCMAKE_PREFIX_PATH="$world/moved" -DSATURN_TORCH_DIR="$torch"
try cmake --build build
[[ -f build/averaging/averaging.so && -f build/averaging/parallelism.yaml ]] || fail 'build/averaging is not complete'
try "$saturn" conformance averaging --parallelism-path build
for what in 'averaging x1' 'averaging x2' 'averaging x4' 'averaging x4 -> averaging x1'; do
  says "$(printf 'gpt\t%s\t' "$what")"
done

# The model, by the template of a parallelism and by one that takes its chain apart.
cd model
try cmake -S . -B build -DCMAKE_PREFIX_PATH="$world/moved" -DSATURN_TORCH_DIR="$torch"
try cmake --build build
for way in averaging pipeline; do
  sed "s/^name: .*/name: $way/; \$ a parallelisms: [$way]" workload.yaml >"$way.yaml"
  try "$saturn" run "$way.yaml" --parallelism-path ../build
  grep -qF "\"parallelism\": \"$way\"" "runs/$way/plan.json" || fail "the plan does not use $way"
  for task in depth1 depth2; do
    grep -q 'layers.0.up.weight' "runs/$way/tasks/$task/model.safetensors" || fail "$way has not trained the model of $task"
  done
done

# A script: the example that is installed, by its manifest alone.
cp -r "$world/moved/share/saturn/workloads/logistic" "$world/script"
cd "$world/script"
sed -i 's/steps: 2000/steps: 200/' sweep.yaml
try "$saturn" run sweep.yaml
says '4 tasks: 4 finished'
