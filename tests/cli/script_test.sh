#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A training script of the standard library, from its manifest to the leaderboard: profiled, planned, trained, stopped in
# every way and gone on with, to the results of an undisturbed run.
examples=$(realpath "${BASH_SOURCE[0]%/*}/../../workloads")
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
cp -r "$examples/logistic" .
cd logistic
sed -i 's/steps: 2000/steps: 4000/' sweep.yaml
echo 'run: {introspection_interval: 0, checkpoint_interval: 300ms}' >>sweep.yaml

# No LibTorch and no saturn-worker is needed for scripts.
mkdir -p lone/bin lone/share
cp "$saturn" lone/bin/
cp -r "$bin/../share/saturn" lone/share/
saturn=$PWD/lone/bin/saturn

expect 0 "$saturn" plan sweep.yaml
says err '1 trials measured'
[ "$(grep -c '"task": "lr' runs/logistic/plan.json)" -eq 4 ] || fail 'not four tasks in the plan'
expect 0 "$saturn" plan sweep.yaml
says err 'plan: '
expect 0 "$saturn" run --dry-run sweep.yaml
says out "lone/bin/saturn script --job $work/logistic/runs/logistic/tasks/lr0.05-m0/job.json"
says out "# which runs: cd $work/logistic && python3 train.py --lr=0.05 --momentum=0 --points=400 --steps=4000 --seed=0 "
expect 0 "$saturn" run sweep.yaml
says out 'best: '
says out 'weights: '
results() { for task in "$1"/tasks/*; do echo "${task##*/} $(sha256sum <"$task/weights.json") $(grep -c '"loss"' "$task/metrics.jsonl")"; done; }
results runs/logistic >undisturbed
[ "$(awk '{print $NF}' undisturbed | sort -u)" = 4000 ] || fail 'steps are missing from metrics.jsonl'
expect 0 "$saturn" run sweep.yaml # nothing is left to do
says out '4 tasks: 4 finished'
mv runs/logistic first
mkdir -p runs/logistic && cp first/profile.json first/plan.json runs/logistic/

scripts() { pgrep -c -f "train.py .*$work" || true; }
running() { [ "$(scripts)" -gt 0 ]; }
none() { [ "$(scripts)" -eq 0 ]; }
interrupt() {
  local code=0
  "$saturn" run sweep.yaml >out 2>err </dev/null &
  local pid=$!
  until_true 20 running
  sleep "$2"
  kill -"$1" $pid
  wait $pid || code=$?
  [ "$code" -eq "$3" ] || fail "stopped by $1 it ended with $code, not $3"
  until_true 10 none
}
interrupt INT 0.8 130
says err 'every task writes a checkpoint and stops'
[ -n "$(ls runs/logistic/tasks/*/checkpoints)" ] || fail 'no checkpoint was written'
expect 0 "$saturn" show runs/logistic
says out 'stopped'
expect 0 "$saturn" run --dry-run sweep.yaml
interrupt TERM 1 143
interrupt KILL 1 137
expect 0 "$saturn" replan runs/logistic
expect 0 "$saturn" run sweep.yaml
results runs/logistic >resumed
diff undisturbed resumed || fail 'stopped and gone on with, the results differ'

# A script that has changed is measured again; one that has not is not.
rm -r runs/logistic
expect 0 "$saturn" profile sweep.yaml
says err '0 trials measured, 1 known already'
echo '# changed' >>train.py
expect 0 "$saturn" profile sweep.yaml
says err '1 trials measured, 0 known already'

# Without Saturn the script trains all the same, and says nothing.
PYTHONPATH=$work/logistic/lone/share/saturn/python expect 0 python3 train.py --steps=10 --weights=w.json
is out ''
[ -s w.json ] || fail 'without Saturn it did not train'
none || fail 'a script is still there'
