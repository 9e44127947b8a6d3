#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A gang on hosts that have nothing but a network in common: namespaces with a link between them, which is slow, loses
# packets, and is cut. usage: hosts_test.sh HOSTS_RANK
# Skipped (77) where namespaces cannot be made.
set -euo pipefail
program=$(realpath "$1")
work=$(mktemp -d)
a=saturn-$$-a b=saturn-$$-b
pids=()
end() {
  local code=$?
  if ((${#pids[@]})); then kill -9 "${pids[@]}" 2>/dev/null || true; fi
  for name in "$a" "$b"; do ip netns pids "$name" 2>/dev/null | xargs -r kill -9 2>/dev/null || true; done
  ip netns del "$a" 2>/dev/null || true
  ip netns del "$b" 2>/dev/null || true
  if [[ $code -ne 0 && $code -ne 77 ]]; then tail "$work"/* >&2 || true; fi
  rm -rf "$work"
}
trap end EXIT
fail() {
  echo "line ${BASH_LINENO[0]}: $*" >&2
  exit 1
}
skip() {
  echo "skipped: $*"
  exit 77
}

if ! command -v ip >/dev/null || ! command -v tc >/dev/null; then skip "there is no ip or tc (iproute2)"; fi
if ! ip netns add "$a" 2>/dev/null || ! ip netns add "$b"; then skip "network namespaces cannot be made here"; fi
ip link add v0 netns "$a" type veth peer name v0 netns "$b" 2>/dev/null || skip "there are no veth links here"
ip -n "$a" link set v0 up
ip -n "$b" link set v0 up
ip -n "$a" link set lo up
ip -n "$b" link set lo up

# gang NAME LAYOUT SILENCE: starts both hosts; what they say is in NAME.0 and NAME.1.
gang() {
  ip netns exec "$a" "$program" 0 "$2" "$work/$1.address" "$3" >"$work/$1.0" 2>&1 &
  pids+=($!)
  ip netns exec "$b" "$program" 1 "$2" "$work/$1.address" "$3" >"$work/$1.1" 2>&1 &
  pids+=($!)
}
# within SECONDS COMMAND...: until it succeeds.
within() {
  local left=$((10 * $1))
  shift
  until "$@"; do
    ((left-- > 0)) || return 1
    sleep 0.1
  done
}
right() { [[ $(cat "$work/$1".[01] | grep -c right) == "$2" ]]; }
over() { ! kill -0 "${pids[@]}" 2>/dev/null; }
all_but() { [[ $(ip netns pids "$a" | grep -vxc "$1") == 0 ]]; } # PROCESS: no other runs on the first host

echo "IPv6 alone, and the death of a host"
ip -n "$a" addr add fd77::1/64 dev v0 nodad
ip -n "$b" addr add fd77::2/64 dev v0 nodad
gang six 1,2 20
within 60 right six 3 || fail "three ranks do not meet by IPv6"
ip netns pids "$b" | xargs kill -9
within 10 over || fail "the death of a host goes unnoticed"
grep -Eq '^rank 0 after 0 s: rank [12] \(process [0-9]+ on .*\) died$' "$work/six.0" || fail "no rank is named"
pids=()

echo "a link with delay that loses packets"
if [[ -c /dev/net/tun ]] && command -v python3 >/dev/null; then
  : >"$work/link"
  "$(dirname "$0")/lossy_link.py" "$a" "$b" 2 0.002 >"$work/link" 2>&1 &
  link=$!
  pids+=("$link")
  within 10 grep -q up "$work/link" || fail "the link does not come up"
  for name in "$a:1" "$b:2"; do
    ip -n "${name%:*}" addr add "10.78.0.${name#*:}/24" dev lossy
    ip -n "${name%:*}" link set lossy up mtu 9000
    ip -n "${name%:*}" link set v0 down
  done
  gang lossy 1,2 20
  within 60 right lossy 3 || fail "three ranks do not get on over it"
  ip netns pids "$b" | grep -vx "$link" | xargs kill -9
  within 20 all_but "$link" || fail "the death of a host goes unnoticed over it"
  kill "$link"
  within 5 grep -q '^lost [1-9]' "$work/link" || fail "no packet was lost"
  pids=()
  for name in "$a" "$b"; do ip -n "$name" link set v0 up; done
else
  echo "(skipped: there is no /dev/net/tun or no python3)"
fi

echo "a slow link that loses what it cannot carry"
ip -n "$a" addr add 10.77.0.1/24 dev v0
ip -n "$b" addr add 10.77.0.2/24 dev v0
for name in "$a" "$b"; do
  ip netns exec "$name" tc qdisc add dev v0 root tbf rate 300mbit burst 70kb limit 150kb 2>/dev/null || echo "(tc has no tbf: at full speed)"
done
gang slow 2,2 3
within 60 right slow 4 || fail "four ranks do not get on"
if ip netns exec "$a" tc -s qdisc show dev v0 | grep -Eq 'dropped [1-9]'; then echo "(packets were lost)"; fi

echo "a cut link"
ip -n "$a" link set v0 down
within 20 over || fail "a cut link goes unnoticed"
for host in 0 1; do
  [[ $(grep -Ec '^rank [0-3] after [0-9] s: .*rank [0-3] \(process [0-9]+ on .*\)' "$work/slow.$host") == 2 ]] ||
    fail "not both ranks of host $host say which connection is lost"
done
pids=()
