#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All-reduce between two hosts, Saturn's against PyTorch's gloo in turns, and against what iperf3 gets over the same link.
#
#   PYTHON=... RATE=10gbit MEGABYTES=64 RANKS=1 ROUNDS=5 SECONDS_EACH=3 scripts/bench/tcp.sh [BUILD_DIRECTORY]
#
# The hosts are two network namespaces of this machine (needs root) with a link of RATE (none: no limit) each way; each
# has RANKS ranks. Both ends and the link itself share this machine's cores. Between two hosts every byte of the buffer
# crosses the link once each way, so the ratio to iperf3 is of bytes a second of the buffer to those that iperf3 gets each
# way when it sends both ways at once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/bench/in_turns.sh
. "$here/in_turns.sh"
build=${1:-$here/../../build/release}
rate=${RATE-10gbit} megabytes=${MEGABYTES:-64} ranks=${RANKS:-1}
need_torch
command -v iperf3 >/dev/null || { echo "tcp.sh: there is no iperf3" >&2; exit 2; }

work=$(mktemp -d)
a=saturn-$$-a b=saturn-$$-b
end() {
  for name in "$a" "$b"; do ip netns pids "$name" 2>/dev/null | xargs -r kill -9 2>/dev/null || true; done
  ip netns del "$a" || true
  ip netns del "$b" || true
  rm -rf "$work" "$results"
}
trap end EXIT
ip netns add "$a"
ip netns add "$b"
ip link add v0 netns "$a" type veth peer name v0 netns "$b"
for end in "$a 10.77.0.1" "$b 10.77.0.2"; do
  read -r name address <<<"$end"
  ip -n "$name" addr add "$address/24" dev v0
  ip -n "$name" link set v0 up
  ip -n "$name" link set lo up
  if [[ -n $rate ]]; then ip netns exec "$name" tc qdisc add dev v0 root tbf rate "$rate" burst 1mb latency 10ms; fi
done
in_a=(ip netns exec "$a" env GLOO_SOCKET_IFNAME=v0) in_b=(ip netns exec "$b" env GLOO_SOCKET_IFNAME=v0)

# Megabytes a second each way, of two ways at once.
link() {
  "${in_a[@]}" iperf3 -c 10.77.0.2 --bidir -t "$seconds" -J |
    "$python" -c 'import json, sys; e = json.load(sys.stdin)["end"]; print((e["sum_received"]["bits_per_second"] + e["sum_received_bidir_reverse"]["bits_per_second"]) / 16e6)' >>"$work/link"
}

cmake --build "$build" --target bench_tcp >/dev/null
"${in_b[@]}" iperf3 -s -D
"${in_b[@]}" "$build/bin/bench_tcp" 1 "$ranks" "$work/address" "$megabytes" </dev/null >/dev/null &
for ((rank = 1; rank < 2 * ranks; ++rank)); do
  place=("${in_a[@]}")
  if ((rank >= ranks)); then place=("${in_b[@]}"); fi
  "${place[@]}" "$python" "$here/tcp.py" "$rank" $((2 * ranks)) 10.77.0.1 "$megabytes" </dev/null >/dev/null &
done
sleep 1
link
in_turns "${in_a[@]}" "$build/bin/bench_tcp" 0 "$ranks" "$work/address" "$megabytes" -- \
  "${in_a[@]}" "$python" "$here/tcp.py" 0 $((2 * ranks)) 10.77.0.1 "$megabytes"
link
link

label="all_reduce of $megabytes MB, 2 x $ranks ranks, link of ${rate:-any rate}"
report wall "$label" gloo
report cpu "$label" gloo
awk -v mb="$megabytes" -v link="$(median <"$work/link")" -v wall="$(awk '{ print $1 }' "$results" | median)" 'BEGIN {
  printf "%-58s       saturn %8.0f MB/s iperf3 %8.0f MB/s ratio %.2f\n", "each way", mb / wall * 1e3, link, mb / wall * 1e3 / link }'
