#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is done wrongly to a run that has begun: to its workload, its directory, its processes. It is said, with what to do;
# nothing is lost, and the run goes on afterwards. (Wrong options of a simulation: simulate_test; wrong rungs: halving_test.)
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
workload() { # LAYERS WIDTH
  cat >w.yaml <<EOF
name: w
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: $1, heads: 2, width: $2, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
  steps: 6000
tasks:
  - {name: a, optimizer: {lr: 1e-3}}
  - {name: b, optimizer: {lr: 3e-3}}
profile: {trial_time: 200ms, max_steps: 30}
run: {introspection_interval: 0}
EOF
}
workload 1 32
"$saturn" run w.yaml >run.out 2>run.err </dev/null &
pid=$!
# shellcheck disable=SC2317 # until_true calls it
training() { [ "$(grep -c '"record":"gang_released"' runs/w/journal.jsonl)" -ge 2 ]; }
until_true 120 training

# Another model for a task that trains.
cp runs/w/run.json before.json
workload 1 64
expect 2 "$saturn" replan runs/w
says err "w.yaml:10:5: error: task 'a' has changed: model/width 32 -> 64 after it was started: give it another name"
says err "w.yaml:11:5: error: task 'b' has changed: model/width 32 -> 64 after it was started"
cmp before.json runs/w/run.json || fail 'the refused change is in run.json'
[ ! -e runs/w/request.json ] || fail 'a request is left'
kill -0 $pid || fail 'the run has ended'
workload 1 32
kill -INT $pid
wait $pid || true
cp -r runs/w keep

# again: the run as it was stopped. unchanged: it still is.
again() { rm -rf runs/w && cp -r keep runs/w; }
unchanged() { diff -r --exclude=lock keep runs/w >differs || fail "the run has changed: $(cat differs)"; }

# Half of it deleted.
again && rm runs/w/run.json
expect 2 "$saturn" run w.yaml
says err "error: the run in $work/runs/w has begun (it has a journal), but its run.json is gone: put that back, or move the directory away"
expect 2 "$saturn" replan runs/w
says err 'runs/w is no run directory (it has no run.json)'
expect 2 "$saturn" show runs/w
says err 'runs/w is no run directory (it has no run.json)'
again && rm runs/w/plan.json
expect 2 "$saturn" run w.yaml
says err "error: the plan of the run is gone ($work/runs/w/plan.json): \`saturn replan $work/runs/w\` plans what is left"
expect 0 "$saturn" replan runs/w
[ "$(grep -c '"task": ' runs/w/plan.json)" -eq 2 ] || fail 'what is left was not planned'
again && rm runs/w/profile.json
expect 0 "$saturn" replan runs/w # measured before: from the cache
says err '0 trials measured'

# Of another version, damaged, or not a run's at all.
again && sed -i 's#saturn.run/1#saturn.run/2#' runs/w/run.json
cp runs/w/run.json newer.json
for command in "run w.yaml" "replan runs/w" "show runs/w"; do
  # shellcheck disable=SC2086
  expect 2 "$saturn" $command
  says err "runs/w/run.json:2:13: error: run: 'schema' is saturn.run/2, of another version of saturn (this one knows saturn.run/1): go on with that version"
done
cmp newer.json runs/w/run.json || fail 'it was written over'
again && sed -i 's#saturn.plan/1#saturn.plan/2#' runs/w/plan.json
expect 2 "$saturn" run w.yaml
says err "runs/w/plan.json:2:13: error: 'schema' is 'saturn.plan/2', but a plan has 'saturn.plan/1'"
again && sed -i '2s/"at"/"AT"/' runs/w/journal.jsonl
cp runs/w/journal.jsonl damaged.jsonl
for command in "run w.yaml" "replan runs/w" "show runs/w"; do
  # shellcheck disable=SC2086
  expect 2 "$saturn" $command
  says err 'runs/w/journal.jsonl:2:1: error: this record of the journal is damaged'
done
cmp damaged.jsonl runs/w/journal.jsonl || fail 'a damaged journal was written over'
mkdir -p other && echo hello >other/notes
expect 2 "$saturn" replan other
says err "other is no run directory (it has no run.json): name the one that \`saturn run\` told"
expect 2 "$saturn" show other

# A directory that cannot be written: nothing is lost. (Root may write everywhere: somebody else then.)
again
chmod 755 "$work"
other=()
[ "$(id -u)" -ne 0 ] || other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
[ "$(id -u)" -eq 0 ] || chmod -R a-w runs/w
if "${other[@]}" "$saturn" --version >/dev/null 2>&1; then
  expect 3 "${other[@]}" "$saturn" run w.yaml
  says err "error: cannot open $work/runs/w/lock: Permission denied"
  expect 3 "${other[@]}" "$saturn" replan runs/w
  says err "error: cannot open $work/runs/w/lock: Permission denied"
  expect 0 "${other[@]}" "$saturn" show runs/w
  unchanged
fi
chmod -R u+w runs/w

# Moved: it is shown and replanned where it is; the workload's place begins anew only when somebody says so.
again && rm -rf moved && mv runs/w moved
expect 0 "$saturn" show moved
expect 0 "$saturn" replan moved
says err "set run.directory to $work/moved in $work/w.yaml, then saturn run"
[ ! -e runs/w ] || fail 'the old place was made again'

# The signal again: what does not leave is killed, at once. What it had saved is there.
again
mkdir mine
cat >mine/parallelism.yaml <<'EOF'
name: mine
kind: command
command: [bash, deaf-script.sh]
devices: 1
EOF
cat >mine/deaf-script.sh <<'EOF'
trap '' TERM INT
for step in $(seq 100000); do
  echo "{\"event\": \"step\", \"step\": $step, \"loss\": 1}"
  sleep 0.05
done
EOF
cat >deaf.yaml <<'EOF'
name: deaf
cluster: {slots: 2, slot_memory: 256MiB}
parallelisms: [mine]
tasks: [{name: a, steps: 100000, arguments: {}}]
profile: {trial_time: 200ms, max_steps: 5}
run: {stop_grace: 10m, introspection_interval: 0}
EOF
"$saturn" run deaf.yaml --parallelism-path "$work/mine" >run.out 2>err </dev/null &
pid=$!
# shellcheck disable=SC2317 # until_true calls them
deaf() { grep -q '"record":"gang_released"' runs/deaf/journal.jsonl; }
# shellcheck disable=SC2317
told() { grep -q 'SIGINT: every task writes a checkpoint and stops; once more kills them' err; }
until_true 120 deaf
kill -INT $pid
until_true 20 told
sleep 1
kill -0 $pid || fail 'it did not wait for the task'
began=$SECONDS
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "killed it ended with $code"
[ $((SECONDS - began)) -lt 60 ] || fail 'the second signal did not kill'
grep -q '"record":"session_ended".*"why":"stopped by SIGINT"' runs/deaf/journal.jsonl || fail 'the journal has no end'
# shellcheck disable=SC2317 # until_true calls it
no_script() { ! pgrep -f 'bash deaf-script.sh' >/dev/null; }
until_true 10 no_script # its guardian ends it

# After all that the run goes on to its end.
sed -i 's/steps: 6000/steps: 6100/' w.yaml
expect 0 "$saturn" replan runs/w
expect 0 "$saturn" run w.yaml
says out '2 tasks: 2 finished'
no_workers || fail 'a worker is left'
