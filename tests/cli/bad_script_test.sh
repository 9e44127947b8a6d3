#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Scripts that say nothing, garbage or never end, manifests and tasks with errors: each is named, the rest goes on.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

# manifest NAME COMMAND...: a parallelism around a shell script, which is the standard input.
manifest() {
  mkdir -p "$1"
  cat >"$1/run.sh"
  printf 'name: %s\nkind: command\ncommand: [sh, run.sh%s]\n' "$1" "${2:-}" >"$1/parallelism.yaml"
}
manifest good <<'EOF2'
for i in $(seq ${SATURN_STEP:-0} 40); do echo "{\"event\":\"step\",\"step\":$i,\"loss\":0.5}"; sleep 0.01; done
EOF2
manifest silent <<<'echo loading the model; sleep 1000'
manifest garbage <<<'while :; do echo blah; sleep 0.001; done'
manifest dies <<<'echo "ValueError: no such layer" >&2; exit 7'
manifest fails-later <<'EOF2'
for i in $(seq 1 30); do echo "{\"event\":\"step\",\"step\":$i}"; sleep 0.01; done
test $SATURN_MODE = trial || { echo 'RuntimeError: boom' >&2; exit 3; }
EOF2
cat >w.yaml <<'EOF2'
cluster: {slots: 2, slot_memory: 512MiB}
defaults: {arguments: {}, steps: 40}
tasks:
  - {name: a, parallelisms: good}
profile: {trial_time: 100ms, trial_timeout: 8s}
run: {retries: 0}
EOF2
task() { sed "s/{name: a, parallelisms: good}/{name: $1, parallelisms: [$2]}/; s/^tasks:/name: $1\ntasks:/" w.yaml >"$1.yaml"; }

task silent silent
expect 2 "$saturn" plan silent.yaml
says err "task 'silent' can run in no way that was tried"
says err "silent on 1 x cpu: failed: it reported no step within profile.trial_timeout (8 s)"
expect 0 "$saturn" show runs/silent/profile.json
says out 'loading the model'
task garbage garbage
expect 2 "$saturn" plan garbage.yaml
says err 'reported no step'
task dies dies
expect 2 "$saturn" plan dies.yaml
says err 'failed: the command exited with code 7: ValueError: no such layer'

# One task of two fails: the other is trained, and the exit code is 1.
sed '/name: a/a\  - {name: b, parallelisms: fails-later}' w.yaml >two.yaml
expect 1 "$saturn" run two.yaml
says err "task 'b' failed: the command exited with code 3: RuntimeError: boom (after step 30)"
says out '2 tasks: 1 finished, 1 failed'

# A script that hangs while it trains is killed, with all that it has started; so is one that ignores the stop.
manifest hangs <<'EOF2'
for i in $(seq 1 20); do echo "{\"event\":\"step\",\"step\":$i}"; sleep 0.01; done
test $SATURN_MODE = trial && exit
trap '' TERM
setsid sleep 98765.4321 & sleep 98765.4321
EOF2
left() { pgrep -c -f 'sleep 98765.4321' || true; }
gone() { [ "$(left)" -eq 0 ]; }
task hung hangs
sed -i 's/retries: 0/retries: 0, hang_timeout: 2s, stop_grace: 1s/' hung.yaml
expect 1 "$saturn" run hung.yaml
says out "task 'hung' failed: no progress for 2 s"
until_true 10 gone
"$saturn" run hung.yaml >out 2>err </dev/null &
pid=$!
there() { [ "$(left)" -gt 1 ]; }
until_true 20 there
kill -INT $pid
wait $pid && fail 'stopped by INT it ended with 0'
until_true 10 gone

# A script says itself how long it is.
manifest tells <<'EOF2'
echo '{"event":"started","steps":25}'
for i in $(seq 1 25); do echo "{\"event\":\"step\",\"step\":$i,\"loss\":0.5}"; sleep 0.01; done
EOF2
task long tells
sed -i 's/, steps: 40//' long.yaml
expect 0 "$saturn" run long.yaml
says out '1 task: 1 finished'
expect 0 "$saturn" run long.yaml
says out '1 task: 1 finished'

# Tasks and parallelisms that do not fit each other.
sed 's/, parallelisms: good//' w.yaml >unnamed.yaml
expect 2 "$saturn" plan unnamed.yaml
is err "$work/unnamed.yaml:4:5: error: task 'a': several commands are found: dies, fails-later, garbage, good, hangs, silent, tells; name \
the one for it, or those that train the same thing, in 'parallelisms'"
task native ddp
expect 2 "$saturn" plan native.yaml
says err "task 'native': 'ddp' cannot train it: a task with 'arguments' is trained by commands only"
task typo goood
expect 2 "$saturn" plan typo.yaml
says err "no parallelism 'goood' (did you mean 'good'?)"
manifest wants ', "{arguments.lr}"' <<<'exit 0'
task lacks wants
expect 2 "$saturn" plan lacks.yaml
says err "lacks.yaml:5:5: error: task 'lacks': 'wants' cannot train it: the task has no 'arguments.lr'"

# A knob outside of its candidates, in a plan edited by hand.
manifest knob ', "{knobs.mode}"' <good/run.sh
echo 'knobs: {mode: [fast, slow]}' >>knob/parallelism.yaml
task knobs knob
expect 0 "$saturn" plan knobs.yaml
sed -i 's/"mode": "[a-z]*"/"mode": "fats"/' runs/knobs/plan.json
expect 2 "$saturn" run knobs.yaml
says err "knob 'mode' of parallelism 'knob' is fats, which is none of its candidates fast, slow"

# A manifest with errors: all of them, with their places.
printf 'name: broken\nkind: command\ncommand: [sh, "{stps}", "{checkpoint}"]\nprogress: {pattern: "(x"}\nstop: now\n' \
  >wants/parallelism.yaml
expect 2 "$saturn" plan w.yaml
says err "wants/parallelism.yaml:3:15: error: command: there is no field 'stps' (did you mean 'steps'?)"
says err "wants/parallelism.yaml:3:25: error: command: '{checkpoint}' can stand in 'resume' only"
says err "wants/parallelism.yaml:4:21: error: progress: pattern: "
says err "wants/parallelism.yaml:5:1: error: unknown key 'stop'; known keys: "
