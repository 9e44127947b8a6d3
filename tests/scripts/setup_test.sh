#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup_test.sh ROOT: scripts/setup.sh on made-up machines. Every tool that could change something is a fake that notes
# its call; everything the script says is compared whole.
set -euo pipefail

setup=$1/scripts/setup.sh
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
bin=$world/bin calls=$world/calls deps=$world/deps
readonly packages="coinor-libcbc-dev doctest-dev libcli11-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev zlib1g-dev"
readonly instead="set SATURN_TORCH_DIR to the torch folder of a PyTorch"

fake() { # NAME, its body on stdin
  { echo '#!/bin/bash' && cat; } >"$bin/$1"
  chmod +x "$bin/$1"
}

# A machine of an ordinary user with everything but LibTorch; pip and unzip work.
machine() {
  rm -rf "${world:?}"/*
  mkdir "$bin" "$world/tmp"
  touch "$calls"
  local tool
  for tool in bash cat env flock grep head mkdir mktemp mv paste realpath rm sed tail touch; do
    ln -s "$(type -P "$tool")" "$bin/$tool"
  done
  for tool in g++ cmake ninja pkg-config; do fake "$tool" <<<'exit 99'; done
  fake id <<<'echo 1000'
  fake uname <<<'echo x86_64'
  fake stat <<<'echo 10000000 4096'
  fake apt-get <<<"echo apt-get \"\$@\" >>'$calls'"
  fake dpkg-query <<<"printf 'installed %s\n' $packages"
  fake_pip <<'BODY'
while [[ $1 != -d ]]; do shift; done
mkdir -p "$2"
touch "$2"/torch-2.11.0.whl "$2"/nvidia_cuda_runtime.whl "$2"/nvidia_cuda_cupti.whl
BODY
  fake unzip <<BODY
echo unzip "\${3##*/}" >>'$calls'
[[ \$3 == *torch* ]] && folder=torch/lib || folder=nvidia/cu13
while [[ \$1 != -d ]]; do shift; done
mkdir -p "\$2/\$folder" "\$2/torch/include/ATen"
touch "\$2/torch/lib/libtorch_cpu.so" "\$2/torch/include/ATen/ATen.h"
BODY
}
fake_pip() { # what `pip download` does, on stdin
  { echo "[[ \$3 == --version ]] && exit; echo pip >>'$calls'" && cat; } | fake python3
}
own_torch() { # VERSION: a LibTorch of the user's in $world/own
  mkdir -p "$world/own/lib" "$world/own/include/ATen" "$world/own/include/torch/headeronly"
  touch "$world/own/lib/libtorch_cpu.so" "$world/own/include/ATen/ATen.h"
  local IFS=. parts
  read -r -a parts <<<"$1"
  printf '#define TORCH_VERSION_%s %s\n' MAJOR "${parts[0]}" MINOR "${parts[1]}" PATCH "${parts[2]}" \
    >"$world/own/include/torch/headeronly/version.h"
}

set_up() { # runs setup.sh; arguments are settings of its environment
  code=0
  env -i PATH="$bin" TMPDIR="$world/tmp" SATURN_DEPS_DIR="$deps" SATURN_CUDA=no "$@" bash "$setup" \
    >"$world/out" 2>"$world/err" </dev/null || code=$?
}

same() { # WHAT EXPECTED FOUND
  [[ $2 == "$3" ]] && return
  printf '%s: %s differs\nexpected: %s\nfound:    %s\n' "$name" "$1" "$2" "$3" >&2
  exit 1
}
expect() { # EXIT-CODE STDOUT STDERR
  same "exit code" "$1" "$code"
  same stdout "$2" "$(cat "$world/out")"
  same stderr "$3" "$(cat "$world/err")"
  same "what is left in TMPDIR" "" "$(ls "$world/tmp")"
}
nothing_changed() {
  same "calls" "" "$(cat "$calls")"
  [[ ! -e $deps ]] || same "$deps" "not there" "there"
}
no_torch_left() { same "$deps" .setup.lock "$(ls -A "$deps")"; }

name="a user without root is given the apt command, and nothing changes"
machine
rm "$bin/ninja" "$bin/unzip"
fake dpkg-query <<<"printf 'installed %s\n' ${packages/libfmt-dev/}; exit 1"
set_up
expect 3 "" "setup.sh: cannot install packages: this is not root; run: sudo apt-get install ninja-build unzip libfmt-dev"
nothing_changed

name="a package removed but not purged is missing"
machine
fake dpkg-query <<<"printf 'installed %s\n' ${packages/zlib1g-dev/}; echo config-files zlib1g-dev"
set_up
expect 3 "" "setup.sh: cannot install packages: this is not root; run: sudo apt-get install zlib1g-dev"
nothing_changed

name="no python3: Python and pip are asked for"
machine
rm "$bin/python3"
set_up
expect 3 "" "setup.sh: cannot install packages: this is not root; run: sudo apt-get install python3 python3-pip"
nothing_changed

name="root gets just the missing packages, without an update"
machine
own_torch 2.11.0
rm "$bin/cmake" "$bin/unzip"
fake id <<<'echo 0'
set_up SATURN_TORCH_DIR="$world/own"
expect 0 "$world/own" "setup.sh: installing cmake"
same calls "apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends cmake" "$(cat "$calls")"

name="stale package lists are updated, and apt's reason is passed on"
machine
rm "$bin/cmake"
fake id <<<'echo 0'
fake apt-get <<BODY
echo "apt-get \${*: -1}" >>'$calls'
[[ \$1 == update ]] || { echo 'E: Unable to locate package cmake'; exit 100; }
BODY
set_up
expect 3 "" "setup.sh: installing cmake
setup.sh: cannot install packages: E: Unable to locate package cmake; after mending that, run: apt-get install cmake"
same calls "apt-get cmake
apt-get -q
apt-get cmake" "$(cat "$calls")"

name="a machine without apt"
machine
rm "$bin/apt-get" "$bin/dpkg-query" "$bin/g++"
set_up
expect 3 "" "setup.sh: note: no Debian packages here; CBC, CLI11, yaml-cpp, nlohmann-json, fmt, doctest and zlib must be installed
setup.sh: cannot install g++: this machine has no apt-get; install them with its own package manager"
nothing_changed

name="the first python3 has no pip, though python3-pip is installed"
machine
fake id <<<'echo 0'
fake python3 <<<'exit 1'
set_up
expect 3 "" "setup.sh: installing python3-pip
setup.sh: cannot download LibTorch 2.11.0: $bin/python3 has no pip; put a python3 with pip first in PATH, or $instead"

name="another processor"
machine
fake uname <<<'echo aarch64'
set_up
expect 3 "" "setup.sh: cannot download LibTorch 2.11.0: the pinned wheels are for x86_64, not for aarch64; $instead"
nothing_changed

name="too little free space is said before the download"
machine
fake stat <<<'echo 1000 4096'
set_up
expect 3 "" "setup.sh: cannot download LibTorch 2.11.0: $deps has 4 MB free and 2500 MB are needed; free some space, or set SATURN_DEPS_DIR to a folder on another disk"
same calls "" "$(cat "$calls")"

name="a folder in which nothing can be created"
machine
touch "$deps"
set_up
expect 3 "" "setup.sh: cannot create $deps: no permission, or no folder; set SATURN_DEPS_DIR"

pip_fails() { # what pip says, on stdin; then what set-up says
  machine
  fake_pip < <(printf 'cat >&2 <<SAID\n%s\nSAID\nexit 1\n' "$(cat)")
  set_up
  expect 3 "" "setup.sh: downloading LibTorch 2.11.0 (545 MB)
setup.sh: cannot download LibTorch 2.11.0: $1"
  no_torch_left
}

name="a wheel with another hash"
pip_fails "the hash of nvidia-cuda-cupti==13.0.85 is not the pinned one; something between PyPI and this machine changed it: do not use it" <<'PIP'
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, please
    nvidia-cuda-cupti==13.0.85 from https://example.invalid/nvidia_cuda_cupti.whl (from -r wheels.txt (line 3)):
        Expected sha256 4eb01c08
             Got        deadbeef
PIP

name="no network"
pip_fails "PyPI cannot be reached; check the network, or $instead" <<'PIP'
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/torch/
ERROR: Could not find a version that satisfies the requirement torch==2.11.0 (from versions: none)
ERROR: No matching distribution found for torch==2.11.0
PIP

name="the disk fills up during the download"
pip_fails "the disk is full; free some space, or set SATURN_DEPS_DIR to a folder on another disk" <<'PIP'
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
PIP

name="anything else that pip says"
pip_fails "pip says 'ERROR: No matching distribution found for torch==2.11.0'; or $instead" <<'PIP'
ERROR: Could not find a version that satisfies the requirement torch==2.11.0 (from versions: 2.12.0)
ERROR: No matching distribution found for torch==2.11.0
PIP

name="the disk fills up during unpacking: no half LibTorch stays"
machine
cp "$bin/unzip" "$world/good_unzip"
fake unzip <<'BODY'
while [[ $1 != -d ]]; do shift; done
mkdir -p "$2/torch/lib" && touch "$2/torch/lib/libtorch_cpu.so"
echo 'torch/lib/libtorch_cuda.so:  write error (disk full?).' >&2
exit 50
BODY
set_up
expect 3 "" "setup.sh: downloading LibTorch 2.11.0 (545 MB)
setup.sh: cannot unpack torch-2.11.0.whl into $deps: the disk is full; free some space and run again"
no_torch_left

name="run again, it goes on; what a killed run left is swept away"
cp "$world/good_unzip" "$bin/unzip"
mkdir -p "$deps/.torch-2.11.0.part/wheels" && touch "$deps/.torch-2.11.0.part/wheels/torch-half.whl"
: >"$calls"
set_up
expect 0 "$deps/torch-2.11.0/torch" "setup.sh: downloading LibTorch 2.11.0 (545 MB)"
same calls "pip
unzip torch-2.11.0.whl
unzip nvidia_cuda_cupti.whl
unzip nvidia_cuda_runtime.whl" "$(cat "$calls")"
same "$deps" ".setup.lock torch-2.11.0" "$(cd "$deps" && echo .s* *)"

name="a second run finds everything there, without Python and unzip"
: >"$calls"
rm "$bin/python3" "$bin/unzip"
set_up
expect 0 "$deps/torch-2.11.0/torch" ""
same calls "" "$(cat "$calls")"

name="for GPUs CUDA's libraries come on top, once"
machine
fake_pip <<'BODY'
while [[ $1 != -d ]]; do [[ $1 != -r ]] || list=$2; shift; done
mkdir -p "$2"
touch "$2"/nvidia_cuda_runtime.whl "$2"/nvidia_cuda_cupti.whl
grep -q ^nvidia-nccl "$list" && touch "$2/nvidia_nccl.whl" || touch "$2/torch-2.11.0.whl"
BODY
set_up SATURN_CUDA=yes
expect 0 "$deps/torch-2.11.0/torch" "setup.sh: downloading LibTorch 2.11.0 (545 MB)
setup.sh: downloading CUDA's libraries 13.0 (1900 MB)"
grep -qx 'unzip nvidia_nccl.whl' "$calls" || same "NCCL" unpacked "not unpacked"
: >"$calls"
rm "$bin/python3" "$bin/unzip"
set_up SATURN_CUDA=yes
expect 0 "$deps/torch-2.11.0/torch" ""
same calls "" "$(cat "$calls")"

name="CUDA's libraries that cannot be had: the way without them is told"
machine
set_up
fake stat <<<'echo 1000 4096'
set_up SATURN_CUDA=yes
expect 3 "" "setup.sh: cannot download CUDA's libraries 13.0: $deps has 4 MB free and 4800 MB are needed; free some space, or set SATURN_DEPS_DIR to a folder on another disk"
fake stat <<<'echo 10000000 4096'
fake_pip <<<"echo 'ERROR: No matching distribution found' >&2; exit 1"
set_up SATURN_CUDA=yes
expect 3 "" "setup.sh: downloading CUDA's libraries 13.0 (1900 MB)
setup.sh: cannot download CUDA's libraries 13.0: pip says 'ERROR: No matching distribution found'; or set SATURN_CUDA=no to build without GPUs"

name="SATURN_CUDA that is no word"
machine
set_up SATURN_CUDA=perhaps
expect 3 "" "setup.sh: SATURN_CUDA is 'perhaps'; it can be yes, no or auto"
nothing_changed

name="a folder of the user's in LibTorch's place is left alone"
machine
mkdir -p "$deps/torch-2.11.0/mine"
set_up
expect 3 "" "setup.sh: cannot unpack LibTorch into $deps/torch-2.11.0: something else is there; move it away and run again"
same "$deps/torch-2.11.0" mine "$(ls -A "$deps/torch-2.11.0")"

name="SATURN_TORCH_DIR that is no LibTorch"
machine
set_up SATURN_TORCH_DIR="$world/own"
expect 3 "" "setup.sh: cannot use SATURN_TORCH_DIR=$world/own: it has no lib/libtorch_cpu.so and include/ATen/ATen.h; give the torch folder of a PyTorch or LibTorch, or unset it to download one"
nothing_changed

name="SATURN_TORCH_DIR of another version is used, with a warning"
machine
own_torch 2.9.1
set_up SATURN_TORCH_DIR="$world/own"
expect 0 "$world/own" "setup.sh: warning: SATURN_TORCH_DIR is LibTorch 2.9.1; Saturn is tested with 2.11.0"
nothing_changed
