#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One sweep in which everything happens: a task ends early, one runs out of memory and goes on another way, a rank is killed,
# a task is dropped and one added while it goes on, Ctrl-C, and the same command again. The report says of each what became
# of it, and its times add up.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

# A script in two ways: the faster one takes more and more memory.
for way in hungry modest; do
  mkdir $way
  cat >$way/parallelism.yaml <<EOF
name: $way
kind: command
command: [python3, ../train.py, $way]
EOF
done
cat >train.py <<'EOF'
import sys, time, saturn
hungry, kept = sys.argv[1] == "hungry", []
run = saturn.start(save=lambda path: open(path, "w").write("saved"))
for step in run.steps(400):
    time.sleep(0.005 if hungry else 0.03)
    if hungry and step >= 100:
        kept.append(bytearray(b"x") * (8 << 20))
    run.step(loss=1 / (step + 1))
EOF
cat >events.yaml <<'EOF'
name: events
cluster: {slots: 2, slot_memory: 400MiB}
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt, validation_batches: 1}
  batch_size: 8
  parallelisms: [ddp]
tasks:
  - {name: whole, steps: 20000}
  - {name: dropped, steps: 20001}
  - {name: early, steps: 100000, validate_every_steps: 100, stop: {patience: 3, min_improvement: 100}}
  - {name: greedy, steps: 400, arguments: {}, parallelisms: [hungry, modest]}
profile: {trial_time: 200ms, max_steps: 30}
run: {introspection_interval: 0, checkpoint_interval: 500ms}
EOF
sed -e '/name: \(dropped\|early\|greedy\)/d' -e 's/name: whole, steps: 20000/name: added, steps: 300, optimizer: {lr: 2e-3}/' events.yaml >more.yaml

journal=runs/events/journal.jsonl
# happened RECORD TASK [TIMES]: the journal has so many such records of the task.
happened() { [ "$(grep -c "\"record\":\"$1\".*\"task\":\"$2\"" $journal)" -ge "${3:-1}" ]; }
expect 0 "$saturn" profile events.yaml
"$saturn" run events.yaml >run.out 2>run.err </dev/null &
pid=$!
until_true 60 happened checkpoint_written whole
pkill -9 -f "saturn-worker --job $work/runs/events/tasks/whole" || fail 'there was no rank to kill'
until_true 60 happened gang_released whole 2
expect 0 "$saturn" replan runs/events --drop dropped --add more.yaml
until_true 120 happened task_finished early
until_true 120 happened configuration_ruled_out greedy
until_true 60 happened gang_released greedy 2
kill -INT $pid
code=0
wait $pid || code=$?
[ "$code" -eq 130 ] || fail "after Ctrl-C it ended with $code"
no_workers || fail 'a worker is left'
expect 0 "$saturn" run events.yaml
cat run.err err >said
says said "warning: task 'whole' is started again from step "
says said "rank 0 was killed by SIGKILL while training"
says said "task 'dropped' is gone"
says said "task 'added' is new"
says said "task 'early' finished early at step 400 of 100000: no improvement of 100 on "
says said "warning: task 'greedy' is not run by hungry on 1 device any more: "
says said "SIGINT: every task writes a checkpoint and stops; once more kills them"
expect 0 "$saturn" show runs/events
# The report explains each of them.
says out "task 'greedy' broke off: out of memory: its processes have "
says out "task 'greedy' is not run by hungry on 1 device any more"
says out "another plan (task 'greedy' ran out of memory): "
says out "task 'whole' broke off: rank 0 was killed by SIGKILL while training"
says out "tasks: added 'added'; dropped 'dropped'"
says out "task 'early' finished early at step 400 of 100000: no improvement of 100 on "
says out "stopped by SIGINT"
says out "the run went on"
says out '4 tasks: 4 finished (1 early)'
expect 0 "$saturn" show --json runs/events
python3 - <<'EOF'
import json
summary = json.load(open("out"))
parts = summary["device_seconds"]
whole = parts.pop("all")
assert abs(sum(parts.values()) - whole) < 1e-6 * whole, parts
for task in summary["tasks"]:
    seconds = sum(task["seconds"].values())
    assert abs(seconds - summary["real_makespan_seconds"]) < 1e-6 * seconds, task
assert any("broke off" in what["text"] for what in summary["happenings"])
EOF
