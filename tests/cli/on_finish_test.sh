#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.on_finish: a command at the end of a run is told how that has come out, and changes nothing of it.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
mkdir there && mv corpus.txt there/
# shellcheck disable=SC2016 # for the command to expand
told='echo "$SATURN_OUTCOME $SATURN_EXIT_CODE: $SATURN_TASKS_FINISHED $SATURN_TASKS_FAILED $SATURN_TASKS_LEFT $SATURN_RUN_DIRECTORY" >> told; echo heard'
workload() { # STEPS WILD_LR ON_FINISH
  cat >there/w.yaml <<EOF
name: w
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
  steps: $1
tasks:
  - {name: tame, optimizer: {lr: 1e-3}}
  - {name: wild, optimizer: {lr: $2}}
profile: {trial_time: 200ms, max_steps: 30}
run:
  introspection_interval: 0
  on_finish: $3
  on_finish_timeout: 2s
EOF
}

# What is given wrongly; what begins nothing runs nothing.
workload 80 1000 "'  '"
expect 2 "$saturn" run there/w.yaml
says err "there/w.yaml:15:14: error: run: 'on_finish' must not be empty"
workload 80 1000 "[a, b]"
expect 2 "$saturn" run there/w.yaml
says err "there/w.yaml:15:14: error: run: 'on_finish' must be a text, not a list"
workload 80 1000 "|
    $told"
expect 0 "$saturn" run --simulate there/w.yaml
expect 0 "$saturn" run --dry-run there/w.yaml
sed 's/steps:/stps:/' there/w.yaml >there/wrong.yaml
expect 2 "$saturn" run there/wrong.yaml
[ ! -e there/told ] || fail 'it was run for a run that was none'

# Some task fails.
expect 1 "$saturn" run there/w.yaml
is there/told "failed 1: 1 1 0 $work/runs/w"
says err heard
says out '2 tasks: '
rm there/told

# Ctrl-C, then done. It may be changed from one start to the next, and use the run directory.
rm -r runs
workload 20000 1e-4 "|
    $told"
"$saturn" run there/w.yaml >out 2>err </dev/null &
pid=$!
# shellcheck disable=SC2317 # until_true calls it
training() { [ "$(grep -c '"record":"gang_released"' runs/w/journal.jsonl)" -ge 2 ]; }
until_true 60 training
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "interrupted it ended with $code"
is there/told "interrupted 130: 0 0 2 $work/runs/w"
rm there/told
sed -i 's/steps: 20000/steps: 100/' there/w.yaml
expect 0 "$saturn" replan runs/w --workload there/w.yaml
[ ! -e there/told ] || fail 'a replan is no run'
sed -i "s|echo heard|$saturn show --json \$SATURN_RUN_DIRECTORY > shown|" there/w.yaml
expect 0 "$saturn" run there/w.yaml
is there/told "done 0: 2 0 0 $work/runs/w"
[ "$(grep -c '"state": "finished"' there/shown)" -eq 2 ] || fail 'the run directory did not say that all is done'

# That it fails or takes too long changes no exit code; nothing of it stays.
workload 100 1e-4 "|
    echo why it fails; exit 9"
expect 0 "$saturn" run there/w.yaml
says err 'why it fails'
says err 'warning: run.on_finish: it exited with code 9'
workload 100 1e-4 "|
    echo \$\$ > leader; sleep 300 & echo \$! > child; wait"
expect 0 "$saturn" run there/w.yaml
says err 'warning: run.on_finish: it had not ended after 2 s (run.on_finish_timeout), and was killed'
for process in leader child; do # one that was killed may wait for its reaper
  [[ $(ps -o stat= -p "$(cat there/$process)") =~ ^(Z.*)?$ ]] || fail "the $process is still there"
done

# The environment fails before anything is trained.
mkdir -p lonely/bin && cp "$saturn" lonely/bin/
workload 50 1e-4 "|
    $told"
rm -rf runs there/told cache
SATURN_PARALLELISM_PATH=$(realpath "$bin/../parallelisms") expect 3 lonely/bin/saturn run there/w.yaml
is there/told "error 3: 0 0 2 $work/runs/w"
