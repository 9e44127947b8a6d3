#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# stop_and_go.sh [BUILD] [WORKLOAD]: runs the workload undisturbed, then again by the same plan, stopped three times at random (INT, TERM, KILL), and
# compares every final loss and weight bit by bit. Takes twice as long as the workload. SEED chooses the moments.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/../.."
bin=$(realpath "${1:-build/release}")/bin
workload=$(realpath "${2:-workloads/quickstart.yaml}")
RANDOM=${SEED:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
set -m # so that the background job is not deaf to SIGINT

name=$(basename "$workload" .yaml)
results() { (cd "$1/tasks" && sha256sum ./*/model.safetensors) && "$bin/saturn" show --json "$1" 2>/dev/null | grep -E '"(training|validation)_loss"'; }

"$bin/saturn" run "$workload" >undisturbed.out 2>undisturbed.err
results "runs/$name" >undisturbed
seconds=$("$bin/saturn" show --json "runs/$name" | awk -F'[:,]' '/real_makespan/ { print int($2) }')
mv "runs/$name" first
mkdir -p "runs/$name"
cp first/profile.json first/plan.json "runs/$name/"

for signal in INT TERM KILL; do
  "$bin/saturn" run "$workload" >out 2>err &
  pid=$!
  pause=$((RANDOM % (seconds / 3) + 2))
  sleep "$pause"
  kill -"$signal" $pid
  code=0
  wait $pid 2>/dev/null || code=$?
  echo "stopped by $signal after $pause s: exit $code"
done
"$bin/saturn" run "$workload" >out 2>err
results "runs/$name" >stopped
if cmp -s undisturbed stopped; then
  echo "$(grep -c safetensors stopped) tasks: weights and losses are the same, bit by bit"
else
  diff undisturbed stopped
  exit 1
fi
