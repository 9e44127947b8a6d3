#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tasks that end early: by target, out of patience, after a time, and a script; stopped and gone on with in between, they
# end at the same steps with the same weights.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

mkdir teller
cat >teller/parallelism.yaml <<'EOF'
name: teller
kind: command
command: [python3, train.py]
EOF
cat >teller/train.py <<'EOF'
import time, saturn
run = saturn.start(save=lambda path: open(path, "w").write("saved"))
for step in run.steps(100000):
    time.sleep(0.005)
    if (step + 1) % 10 == 0:
        run.validated(100 / (step + 1), step=step + 1)
    run.step(loss=1)
EOF
# write PATIENCE AFTER
write() {
  cat >early.yaml <<EOF
name: early
cluster: {slots: 2, slot_memory: 1GiB}
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt, validation_batches: 1}
  batch_size: 8
  steps: 100000
  validate_every_steps: 100
  parallelisms: [ddp]
tasks:
  - {name: target, stop: {validation_loss: 3}}
  - {name: patience, stop: {patience: $1, min_improvement: 100}}
  - {name: time, stop: {after: $2, patience: 100000}}
  - {name: whole, steps: 300, stop: {patience: 100}}
  - {name: script, arguments: {}, parallelisms: [teller], stop: {validation_loss: 1}}
profile: {trial_time: 200ms, max_steps: 30}
plan: {time_limit: 2s}
run: {introspection_interval: 0, checkpoint_interval: 500ms}
EOF
}

write 0 0
sed -i 's/name: whole, steps: 300, stop: {patience: 100}/name: whole, validate_every_steps: 0, stop: {patience: 1}/' early.yaml
expect 2 "$saturn" plan early.yaml
says err "early.yaml:12:39: error: stop: 'patience' must be at least 1, not 0"
says err "early.yaml:13:32: error: stop: 'after' must be more than 0"
says err "stop: 'patience' needs validations on the way: give the task 'validate_every_steps'"

write 14 2s
expect 0 "$saturn" run early.yaml
says err "task 'patience' finished early at step 1500 of 100000: no improvement of 100 on "
says err ' (step 100) in 14 validations'
says err "task 'time' finished early at step "
says err ': 2 s of training are used up'
says err "task 'script' finished early at step "
says err ': validation loss 1 at step 100 reached the target 1'
says out 'finished early'
says out '5 tasks: 5 finished (4 early)'
grep -qE "task 'target' finished early at step ([0-9]+) of 100000: validation loss [0-9.]+ at step \1 reached the target 3" err ||
  fail 'the target was not reached'
for task in target patience time whole; do
  [ -s runs/early/tasks/$task/model.safetensors ] || fail "$task has no weights"
done
[ "$(grep -c '"loss"' runs/early/tasks/patience/metrics.jsonl)" -eq 1500 ] || fail 'out of patience at another step'
[ -n "$(ls runs/early/tasks/script/checkpoints)" ] || fail 'the script has left no checkpoint'
expect 0 "$saturn" show runs/early
says out 'finished early: no improvement of 100 on '
expect 0 "$saturn" show --json runs/early
says out '"ended_early": "2 s of training are used up"'
says out '"ended_early": ""'
results() { (cd "$1/tasks" && sha256sum {target,patience,whole}/model.safetensors && grep -h validation_loss {target,patience,whole}/metrics.jsonl); }
results runs/early >undisturbed
mv runs/early first

# Stopped, killed and gone on with.
mkdir -p runs/early && cp first/profile.json first/plan.json runs/early/
validated() { [ "$(grep -c validation_loss runs/early/tasks/patience/metrics.jsonl)" -ge "$1" ]; }
# disturb SIGNAL VALIDATIONS CODE: starts the run and stops it with the signal when there are so many.
disturb() {
  local code=0
  "$saturn" run early.yaml >out 2>err </dev/null &
  local pid=$!
  until_true 100 validated "$2"
  kill -"$1" $pid
  wait $pid || code=$?
  [ "$code" -eq "$3" ] || fail "stopped by $1 it ended with $code, not $3"
  until_true 10 no_workers
}
disturb INT 3 130
disturb KILL 7 137
expect 0 "$saturn" run early.yaml
says out '5 tasks: 5 finished (4 early)'
results runs/early >disturbed
diff undisturbed disturbed || fail 'disturbed, the tasks ended otherwise'

# What has ended by its rule stays so, until the rule is another.
started() { grep -c '"record":"gang_started"' runs/early/journal.jsonl; }
before=$(started)
expect 0 "$saturn" run early.yaml
[ "$(started)" -eq "$before" ] || fail 'something was started again'
write 16 3s
expect 2 "$saturn" run early.yaml
says err "task 'patience' has changed: stop/patience 14 -> 16"
expect 0 "$saturn" replan runs/early
expect 0 "$saturn" run early.yaml
[ "$(started)" -eq $((before + 2)) ] || fail 'not just the two tasks of another rule were started'
says err "task 'patience' finished early at step 1700 of 100000: no improvement of 100 on "
says err ': 3 s of training are used up'
used=$(sed -n 's/.*"used_seconds": \([0-9.]*\).*/\1/p' runs/early/tasks/time/job.json)
awk -v used="$used" 'BEGIN { exit !(used >= 2) }' || fail "the time of the starts before is not counted: $used"
