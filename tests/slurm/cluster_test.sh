#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cluster_test.sh ROOT: scripts/slurm/test-cluster, which the other tests stand on: sizes and types, fake GPUs, power-off,
# and that nothing of it stays.
# shellcheck disable=SC2016 # what is in single quotes is for the shells on the nodes
set -euo pipefail

work=$(mktemp -d)
chmod 755 "$work"
cluster=$work/test-cluster # a copy: another user may not be allowed to read the checkout
cp "$1/scripts/slurm/test-cluster" "$cluster"
export TMPDIR=$work
dir=''
end() {
  local code=$?
  [[ -z $dir ]] || "$cluster" --dir "$dir" stop || true
  rm -rf "$work"
  exit $code
}
trap end EXIT
fail() {
  echo "line ${BASH_LINENO[0]}: $*" >&2
  exit 1
}
same() { [[ $1 == "$2" ]] || fail "'$2', not '$1'"; }
until_true() { # SECONDS COMMAND...
  local left=$(($1 * 20))
  shift
  until "$@"; do
    ((left-- > 0)) || fail "'$*' did not come true"
    sleep 0.05
  done
}
# Processes that have to do with the folder; one that has ended has no command line.
nothing_left() { [[ ! -e $1 ]] && ! pgrep -f "$1" >/dev/null; }

# What is wrong with the command line is said, and nothing is begun.
code=0
"$cluster" start 2x4-h100 2>"$work/err" || code=$?
same 2 $code
same "test-cluster: NODES are written like 2x4:h100,1x2:a100,1x4:cpu, not '2x4-h100'" "$(cat "$work/err")"
code=0
"$cluster" power-off n1 2>"$work/err" || code=$?
same 2 $code

# Mixed sizes and types, in a few seconds; 77 ends this test as skipped.
SECONDS=0
environment=$("$cluster" start 2x4:h100,1x2:h100+1:a100,1x3,1x1:gpu)
((SECONDS < 10)) || fail "it took $SECONDS s to start"
eval "$environment"
dir=$SATURN_TEST_CLUSTER
same "n1 16 16000 gpu:h100:4
n2 16 16000 gpu:h100:4
n3 12 12000 gpu:h100:2,gpu:a100:1
n4 3 3000 (null)
n5 4 4000 gpu:1" "$(sinfo -h -N -o '%N %c %m %G')"

# Every node has its own name, and the GPUs that were asked for.
same "n1 0,1,2
n3 0,1,2" "$(srun -N2 -w n1,n3 --gpus-per-node=3 sh -c 'echo "$(hostname) $CUDA_VISIBLE_DEVICES"' | sort)"
same "n4 " "$(srun -w n4 sh -c 'echo "$(hostname) ${CUDA_VISIBLE_DEVICES:-}"')"

# A node without power: its processes are gone at once, the others' go on; after it is back it takes jobs.
srun -N2 -w n1,n2 sh -c "exec sh -c 'sleep 100; : $work on '\$(hostname)" >/dev/null 2>&1 &
on() { pgrep -f "sleep 100; : $work on $1" >/dev/null; }
off() { ! on "$1"; }
until_true 10 on n1
until_true 10 on n2
"$cluster" power-off n2
until_true 5 off n2
on n1 || fail "n1 lost its task"
kill %1
wait
"$cluster" power-on n2
same n2 "$(timeout 20 srun -w n2 hostname)"
code=0
"$cluster" power-off n9 2>/dev/null || code=$?
same 2 $code

"$cluster" stop
nothing_left "$dir" || fail "something is left of $dir: $(pgrep -a -f "$dir")"
"$cluster" stop

# Around one command, whose exit code it has; the same as another user.
code=0
"$cluster" run 1x2 -- sh -c 'srun hostname && echo "$SATURN_TEST_CLUSTER" && exit 7' >"$work/out" || code=$?
same 7 $code
same n1 "$(head -n1 "$work/out")"
nothing_left "$(tail -n1 "$work/out")" || fail "something is left of $(tail -n1 "$work/out")"
if [[ $(id -u) == 0 ]] && getent passwd nobody >/dev/null; then
  chmod 1777 "$work"
  nobody=(setpriv --reuid=nobody --regid=65534 --clear-groups env -u SLURM_CONF -u SATURN_TEST_CLUSTER)
  code=0
  "${nobody[@]}" "$cluster" run 1x2:h100 -- srun --gpus=2 sh -c 'echo "$(id -un) $CUDA_VISIBLE_DEVICES"' >"$work/out" 2>"$work/err" ||
    code=$?
  # Some machines give namespaces to root alone.
  ((code == 77)) || same "nobody 0,1" "$(cat "$work/out" "$work/err")"
fi

# With the process that wanted it.
sleep 100 &
environment=$("$cluster" start --dir "$work/short" --until-pid $! 1x1)
kill $!
until_true 10 nothing_left "$work/short"
