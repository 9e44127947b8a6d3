#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lost_gpu_test.sh BIN_DIRECTORY FAKE_NVML: a GPU is lost in the middle of a run, its task goes on on another one, and it
# comes back; and a driver that hangs holds up nothing. The driver is made up, the tasks are scripts that use no GPU.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
export SATURN_NVML_LIBRARY=$2 SATURN_FAKE_NVML=@$work/driver
unset CUDA_VISIBLE_DEVICES
# The module that the worker would use GPUs by; scripts do without it.
mkdir -p lone/bin lone/share lone/lib/train
cp "$saturn" lone/bin/
cp -r "$bin/../share/saturn" lone/share/
touch lone/lib/train/saturn-cuda.so
saturn=$work/lone/bin/saturn

driver() { # of GPU-1, GPU-2 and GPU-3: what they are
  printf '%s|GPU-1|23034;%s|GPU-2|23034;%s|GPU-3|23034\n' "$@" >driver.new && mv driver.new driver
}
driver L4 L4 L4
mkdir mine
cat >mine/parallelism.yaml <<'EOF'
name: mine
kind: command
command: [python3, train.py, "{arguments.seconds}", "--steps={steps}"]
devices: 1
EOF
cat >mine/train.py <<'EOF'
import os, sys, time
import saturn
run = saturn.start(save=lambda path: open(path, "w").close())
for step in run.steps(int(sys.argv[2].removeprefix("--steps="))):
    time.sleep(float(sys.argv[1]))
    run.step(loss=1)
print("trained on", os.environ["CUDA_VISIBLE_DEVICES"], file=sys.stderr)
EOF
workload() { # STEPS
  cat >w.yaml <<EOF
name: w
cluster: auto
parallelisms: [mine]
defaults: {steps: $1, arguments: {seconds: 0.05}, devices: [1]}
tasks: [{name: a}, {name: b}]
profile: {trial_time: 200ms, max_steps: 5}
run: {introspection_interval: 0, checkpoint_interval: 1s}
EOF
}
# shellcheck disable=SC2317 # until_true calls them
training() { [ "$(grep -c '"record":"gang_released"' runs/w/journal.jsonl)" -ge 2 ]; }
# record KIND TEXT: such a record is in the journal.
# shellcheck disable=SC2317
record() { grep "\"record\":\"$1\"" runs/w/journal.jsonl | grep -qF -- "$2"; }
watchers() { pgrep -c -f "$work/lone/bin/saturn watch-gpus" || true; }
start() {
  "$saturn" run w.yaml --parallelism-path "$work/mine" >out 2>err </dev/null &
  pid=$!
  until_true 60 training
}
finish() { wait $pid || fail "the run ended with $?"; }

# The device of task b is lost, one is free: b goes on there. The first look that says so is not believed yet.
workload 400
start
device=$(grep '"record":"gang_started".*"task":"b"' runs/w/journal.jsonl | sed 's/.*"devices":\[\([0-9]\)\].*/\1/')
states=(L4 L4 L4)
states[device]=lost
driver "${states[@]}"
until_true 30 record devices_went_away "\"devices\":[$device],\"why\":\"the driver says 'GPU is lost'\""
until_true 30 record gang_ended '"task":"b","why":"lost its devices: the driver says '
# shellcheck disable=SC2317
moved() { [ "$(grep '"record":"gang_started"' runs/w/journal.jsonl | grep -c '"task":"b"')" -eq 2 ]; }
until_true 30 moved
driver L4 L4 L4
until_true 30 record devices_came_back "\"devices\":[$device]"
finish
says err "warning: lost device $device of local: the driver says 'GPU is lost'"
says err "device $device of local can be used again"
says out '2 tasks: 2 finished'
[ "$(grep -c '"record":"gang_started".*"task":"a"' runs/w/journal.jsonl)" -eq 1 ] || fail 'the other task was started again'
grep '"record":"gang_started".*"task":"b"' runs/w/journal.jsonl | tail -n1 | grep -qv "\"devices\":\[$device\]" ||
  fail 'b is on the lost device'
says runs/w/tasks/b/log 'trained on GPU-'
"$saturn" show --json runs/w >shown 2>err
grep -q '"away": [0-9.]*[1-9]' shown || fail 'the time without the device is not in the account'
[ "$(watchers)" -eq 0 ] || fail 'the process that watches the GPUs is still there'

# A driver that fails as a whole says nothing about its GPUs; one that hangs is not waited for.
rm -r runs
workload 200
start
echo 'status 18' >driver
# shellcheck disable=SC2317
warned() { grep -q 'warning: GPUs that are lost now are not noticed: the driver says .Driver/library' err; }
until_true 30 warned
driver L4 hung L4
finish
says out '2 tasks: 2 finished'
! record devices_went_away '' || fail 'a GPU was taken for lost'
[ "$(watchers)" -eq 0 ] || fail 'the process that watches the GPUs is still there'

# It does not outlive a supervisor that is killed.
rm -r runs
driver L4 L4 L4
start
[ "$(watchers)" -eq 1 ] || fail 'nobody watches the GPUs'
kill -9 $pid
wait $pid 2>/dev/null || true
# shellcheck disable=SC2317
none() { [ "$(watchers)" -eq 0 ]; }
until_true 10 none
