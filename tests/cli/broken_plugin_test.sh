#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plug-ins that go wrong in a search: each trial has failed with its reason, and the rest of the profile goes on.
# usage: broken_plugin_test.sh BIN_DIRECTORY BROKEN_PLUGIN OLD_PLUGIN EMPTY_PLUGIN
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# A crash is to be a crash: without this AddressSanitizer would make an exit code of it.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}handle_segv=0

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
parallelism unbuilt "$4" none && rm ways/unbuilt/it.so
parallelism garbage "$4" none && echo garbage >ways/garbage/it.so
cat >sweep.yaml <<'EOF'
name: sweep
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [throws, throws-number, unprepared, crashes, old, empty, unbuilt, garbage, ddp]
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
says err '9 trials measured, 0 known already, 8 failed'
# failed NAME WHY: that trial, and why, as it is shown.
failed() { says out "small, $1, 2 devices: failed: $2"; }
failed throws "a mistake in candidates (in candidates() of the parallelism 'throws', $work/ways/throws/it.so)"
failed throws-number "what was thrown is no std::exception (in candidates() of the parallelism 'throws-number', $work/ways/throws-number/it.so)"
in="(in prepare() of the parallelism 'unprepared', $work/ways/unprepared/it.so)"
failed 'unprepared mistake=number' "what was thrown is no std::exception $in"
failed 'unprepared mistake=first' "a mistake in first $in"
failed 'unprepared mistake=second' "a mistake in second $in"
failed 'crashes mistake=first' "a mistake in first (in prepare() of the parallelism 'crashes', $work/ways/crashes/it.so)"
failed crashes 'rank '
says out 'was killed by signal 11'
failed old "cannot load the parallelism 'old': $work/ways/old/it.so was built for interface 999, this worker has "
failed empty "cannot load the parallelism 'empty': $work/ways/empty/it.so has no function saturn_parallelism_abi"
failed unbuilt "cannot load the parallelism 'unbuilt': $work/ways/unbuilt/it.so: cannot open shared object file: No such file or directory"
failed garbage "cannot load the parallelism 'garbage': $work/ways/garbage/it.so: file too short"
no_workers || fail 'a worker is still there'

expect 0 "$saturn" run sweep.yaml --parallelism-path ways # by what is left
says runs/sweep/plan.json '"parallelism": "ddp"'
[ -f runs/sweep/tasks/small/model.safetensors ] || fail 'the task was not trained'

# One that goes wrong in the training only.
parallelism later "$2" step-1000
sed 's/^name: sweep/name: later/; s/^parallelisms: .*/parallelisms: [later]/; s/steps: 20/steps: 2000/' sweep.yaml >later.yaml
expect 1 "$saturn" run later.yaml --parallelism-path ways
says err "task 'small' failed: a mistake in a step (in step() of the parallelism 'later', $work/ways/later/it.so)"

# Held to plain training: every mistake is a line of the table, one that cannot be opened ends it.
expect 1 "$saturn" conformance throws later --parallelism-path ways
says out "$(printf 'mlp\tthrows x2\t\tFAILED: ')a mistake in candidates (in candidates() of the parallelism 'throws', $work/ways/throws/it.so)"
says out "$(printf 'mlp\tlater x2 mistake=step-1000\t\tFAILED: it has 0 tensors, not the ')"
expect 2 "$saturn" conformance old --parallelism-path ways
is err "cannot load the parallelism 'old': $work/ways/old/it.so was built for interface 999, this worker has 4; build it again"

# A manifest with mistakes is another matter: nothing is measured.
printf 'name: later\nknobs: {mistake: []}\nlibary: it.so\n' >ways/later/parallelism.yaml
expect 2 "$saturn" profile sweep.yaml --parallelism-path ways
says err "ways/later/parallelism.yaml:2:18: error: knobs: 'mistake' has no values"
says err "ways/later/parallelism.yaml:3:1: error: unknown key 'libary' (did you mean 'library'?)"
