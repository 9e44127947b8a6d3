#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plug-ins that go wrong in a search: each trial has failed with its reason, and the rest of the profile goes on.
# usage: broken_plugin_test.sh BIN_DIRECTORY BROKEN_PLUGIN OLD_PLUGIN EMPTY_PLUGIN
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

# parallelism NAME LIBRARY MISTAKES
parallelism() {
  mkdir -p "ways/$1"
  cp "$2" "ways/$1/it.so"
  printf 'name: %s\ndescription: goes wrong\nkind: native\nlibrary: it.so\nknobs: {mistake: [%s]}\n' "$1" "$3" >"ways/$1/parallelism.yaml"
}
parallelism throws "$2" candidates
parallelism throws-number "$2" candidates-number
parallelism unprepared "$2" 'first, number, second'
parallelism crashes "$2" 'first, crash, never'
parallelism old "$3" none
parallelism empty "$4" none
cat >sweep.yaml <<'EOF'
name: sweep
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [throws, throws-number, unprepared, crashes, old, empty, ddp]
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
  steps: 20
  devices: [2]
tasks: [{name: small}]
profile: {trial_time: 200ms, max_steps: 30}
EOF

expect 0 "$saturn" profile sweep.yaml --parallelism-path ways
says err '7 trials measured, 0 known already, 6 failed'
says out 'small, throws, 2 devices: failed: a mistake in candidates'
says out 'small, throws-number, 2 devices: failed: the parallelism threw what is no std::exception'
says out 'small, unprepared mistake=number, 2 devices: failed: the parallelism threw what is no std::exception'
says out 'small, unprepared mistake=first, 2 devices: failed: a mistake in first'
says out 'small, unprepared mistake=second, 2 devices: failed: a mistake in second'
says out 'small, crashes mistake=first, 2 devices: failed: a mistake in first'
says out 'small, crashes, 2 devices: failed: rank '
says out 'was killed by signal 11'
says out "cannot load the parallelism 'old': $work/ways/old/it.so was built for interface 999, this worker has "
says out "cannot load the parallelism 'empty': $work/ways/empty/it.so has no function saturn_parallelism_abi"
no_workers || fail 'a worker is still there'

expect 0 "$saturn" run sweep.yaml --parallelism-path ways # by what is left
says runs/sweep/plan.json '"parallelism": "ddp"'
[ -f runs/sweep/tasks/small/model.safetensors ] || fail 'the task was not trained'
