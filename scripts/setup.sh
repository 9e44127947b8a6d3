#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what Saturn is built from, where it is missing: Debian packages (apt, as root) and LibTorch (pinned PyPI wheels).
# Prints LibTorch's folder on stdout and everything else on stderr. Run it again at any time: it does what is left to do.
#   --for-tests        also clang-format, shellcheck, patchelf and Slurm, if this is root (without them some tests are skipped)
#   SATURN_DEPS_DIR    where LibTorch is unpacked (default: build/deps in the checkout); an absolute path
#   SATURN_TORCH_DIR   the torch folder of an existing PyTorch or LibTorch, an absolute path; nothing is downloaded then
#   SATURN_CUDA        yes, no, or auto (default: where there is a GPU): also the CUDA libraries that PyTorch uses, with
#                      the headers to build saturn-cuda.so: 1.9 GB
# Exit: 0 all is there; 3 something is missing, and one line says what, why and what to do.
set -euo pipefail

readonly torch_version=2.11.0 download_megabytes=545 needed_megabytes=2500
readonly cuda_version=13.0 cuda_download_megabytes=1900 cuda_needed_megabytes=4800
tools=(g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config)
libraries=(coinor-libcbc-dev doctest-dev libcli11-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev zlib1g-dev)

wheels() {
  cat <<'WHEELS'
torch==2.11.0 --hash=sha256:7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
WHEELS
}

# What torch's wheel asks for beside those, and crt/, which CUDA's headers include.
cuda_wheels() {
  cat <<'WHEELS'
nvidia-cublas==13.1.0.3 --hash=sha256:ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171
nvidia-cuda-crt==13.0.88 --hash=sha256:2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4
nvidia-cuda-nvrtc==13.0.88 --hash=sha256:ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575
nvidia-cudnn-cu13==9.19.0.56 --hash=sha256:d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf
nvidia-cufft==12.0.0.61 --hash=sha256:6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3
nvidia-cufile==1.15.1.6 --hash=sha256:08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44
nvidia-curand==10.4.0.35 --hash=sha256:1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc
nvidia-cusolver==12.0.4.66 --hash=sha256:0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112
nvidia-cusparse==12.6.3.3 --hash=sha256:2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b
nvidia-cusparselt-cu13==0.8.0 --hash=sha256:25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd
nvidia-nccl-cu13==2.28.9 --hash=sha256:e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42
nvidia-nvjitlink==13.0.88 --hash=sha256:13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b
nvidia-nvshmem-cu13==3.4.5 --hash=sha256:290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80
nvidia-nvtx==13.0.85 --hash=sha256:4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4
WHEELS
}

say() { printf 'setup.sh: %s\n' "$1" >&2; }
die() {
  say "$1"
  exit 3
}
has() { command -v "$1" >/dev/null; }
has_pip() { python3 -m pip --version >/dev/null 2>&1; }

# ---- LibTorch that is there already

is_torch() { [[ -e $1/lib/libtorch_cpu.so && -e $1/include/ATen/ATen.h ]]; }

version_of() { # "2.11.0", from the header of the LibTorch in folder $1
  local header=$1/include/torch/headeronly/version.h
  [[ -e $header ]] || header=$1/include/torch/csrc/api/include/torch/version.h
  [[ -e $header ]] || return 0
  sed -nE 's/^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' "$header" | paste -sd.
}

use_own_torch() {
  is_torch "$SATURN_TORCH_DIR" || die "cannot use SATURN_TORCH_DIR=$SATURN_TORCH_DIR: it has no lib/libtorch_cpu.so and \
include/ATen/ATen.h; give the torch folder of a PyTorch or LibTorch, or unset it to download one"
  local found
  found=$(version_of "$SATURN_TORCH_DIR")
  [[ $found == "$torch_version" ]] ||
    say "warning: SATURN_TORCH_DIR is LibTorch ${found:-of an unknown version}; Saturn is tested with $torch_version"
}

# ---- Debian packages

missing_packages() { # one package a line
  local entry installed package
  for entry in "${tools[@]}"; do
    has "${entry%%:*}" || echo "${entry##*:}"
  done
  [[ -z $needs_pip ]] || has_pip || echo python3-pip
  has dpkg-query || return 0
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${libraries[@]}" 2>/dev/null || true)
  for package in "${libraries[@]}"; do
    [[ $installed == *"installed $package"* ]] || echo "$package"
  done
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@" \
    </dev/null >"$log" 2>&1
}

install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  has dpkg-query || say "note: no Debian packages here; CBC, CLI11, yaml-cpp, nlohmann-json, fmt, doctest and zlib must be installed"
  ((${#missing[@]})) || return 0
  has apt-get || die "cannot install ${missing[*]}: this machine has no apt-get; install them with its own package manager"
  [[ $(id -u) == 0 ]] || die "cannot install packages: this is not root; run: sudo apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  # The package lists of a machine may be there, missing or stale: only a failure tells.
  apt_install "${missing[@]}" || { apt-get update -q </dev/null >"$log" 2>&1 && apt_install "${missing[@]}"; } ||
    die "cannot install packages: $(grep -m1 '^E:' "$log" || tail -n1 "$log"); after mending that, run: \
apt-get install ${missing[*]}"
}

# ---- LibTorch by download

pip_download() { # the wheels on stdin
  cat >"$part/wheels.txt"
  # The temporary files go where the free space was checked.
  TMPDIR=$part python3 -m pip download --disable-pip-version-check --no-input --retries 3 --timeout 60 \
    --no-deps --only-binary=:all: --implementation cp --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux_2_18_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --platform manylinux_2_12_x86_64 --platform manylinux_2_5_x86_64 \
    --require-hashes -r "$part/wheels.txt" -d "$part/wheels" </dev/null >&2 2>"$log"
}

why_pip_failed() { # the way without this download
  if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
    local wheel
    wheel=$(sed -nE 's/^ +([a-z-]+==[^ ]+) from .*/\1/p' "$log" | head -n1)
    echo "the hash of ${wheel:-a wheel} is not the pinned one; something between PyPI and this machine changed it: do not use it"
  elif grep -q 'No space left on device' "$log"; then
    echo "the disk is full; free some space, or set SATURN_DEPS_DIR to a folder on another disk"
  elif grep -qE 'connection broken|NewConnectionError|name resolution|timed out' "$log"; then
    echo "PyPI cannot be reached; check the network, or $1"
  else
    echo "pip says '$(grep '^ERROR' "$log" | tail -n1 || tail -n1 "$log")'; or $1"
  fi
}

check_download() { # WHAT MEGABYTES INSTEAD: what would stop a download is said before it starts
  local what="cannot download $1" needed=$2 instead=$3
  [[ $(uname -m) == x86_64 ]] || die "$what: the pinned wheels are for x86_64, not for $(uname -m); $instead"
  has_pip || die "$what: $(command -v python3) has no pip; put a python3 with pip first in PATH, or $instead"
  mkdir -p "$deps" 2>/dev/null || die "cannot create $deps: no permission, or no folder; set SATURN_DEPS_DIR"
  local blocks size free
  read -r blocks size < <(stat -f -c '%a %S' "$deps")
  free=$((blocks * size / 1000000))
  ((free >= needed)) || die "$what: $deps has $free MB free and $needed MB are needed; free some \
space, or set SATURN_DEPS_DIR to a folder on another disk"
}

start_download() { # NAME: alone, in a fresh folder $part
  exec 9>"$deps/.setup.lock"
  flock -w 1200 9 || die "cannot set up $1 in $deps: another setup.sh has been at it for 20 minutes; end that one first"
  part=$deps/.$1.part
  rm -rf "$part" && mkdir "$part"
}

unpack() { # FOLDER WHEEL, patterns of what is taken; the wheel goes at once, so that the disk holds it only once
  local folder=$1 wheel=$2 reason
  shift 2
  unzip -q -o "$wheel" "$@" -d "$folder" </dev/null >"$log" 2>&1 || {
    reason=$(grep -v '^$' "$log" | tail -n1)
    ! grep -q 'disk full' "$log" || reason="the disk is full"
    die "cannot unpack ${wheel##*/} into $deps: $reason; free some space and run again"
  }
  rm "$wheel"
}

download_torch() {
  local what="LibTorch $torch_version" instead="set SATURN_TORCH_DIR to the torch folder of a PyTorch"
  [[ ! -e $unpacked ]] || die "cannot unpack LibTorch into $unpacked: something else is there; move it away and run again"
  check_download "$what" $needed_megabytes "$instead"
  start_download "torch-$torch_version"
  ! is_torch "$unpacked/torch" || return 0
  say "downloading $what ($download_megabytes MB)"
  wheels | pip_download || die "cannot download $what: $(why_pip_failed "$instead")"
  unpack "$part/unpacked" "$part"/wheels/torch-*.whl 'torch/lib/*' 'torch/include/*'
  for wheel in "$part"/wheels/nvidia_*.whl; do unpack "$part/unpacked" "$wheel" 'nvidia/*'; done
  mv -T "$part/unpacked" "$unpacked" # a folder of this name is always a whole LibTorch
}

# ---- CUDA's libraries, for GPUs; a toolkit or a PyTorch of the user's needs none of this

wants_cuda() {
  [[ -z ${SATURN_TORCH_DIR:-} ]] || return 1
  case ${SATURN_CUDA:-auto} in
    yes) return 0 ;;
    no) return 1 ;;
    auto) [[ -e /dev/nvidiactl ]] ;;
    *) die "SATURN_CUDA is '$SATURN_CUDA'; it can be yes, no or auto" ;;
  esac
}

has_cuda() { [[ -e $unpacked/nvidia/.complete ]]; }

download_cuda() {
  local what="CUDA's libraries $cuda_version" instead="set SATURN_CUDA=no to build without GPUs"
  check_download "$what" $cuda_needed_megabytes "$instead"
  start_download "cuda-$cuda_version"
  ! has_cuda || return 0
  say "downloading $what ($cuda_download_megabytes MB)"
  cuda_wheels | pip_download || die "cannot download $what: $(why_pip_failed "$instead")"
  for wheel in "$part"/wheels/nvidia_*.whl; do unpack "$unpacked" "$wheel" 'nvidia/*'; done
  touch "$unpacked/nvidia/.complete"
}

# ---- main

if [[ ${1:-} == --for-tests && $(id -u) == 0 ]]; then
  tools+=(clang-format:clang-format shellcheck:shellcheck patchelf:patchelf)
  tools+=(slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client munged:munge)
fi
here=${BASH_SOURCE[0]%/*}
deps=$(realpath -m "${SATURN_DEPS_DIR:-$here/../build/deps}")
unpacked=$deps/torch-$torch_version
torch=$(realpath -m "${SATURN_TORCH_DIR:-$unpacked/torch}")
part='' needs_pip=''
log=$(mktemp) || die "cannot write to ${TMPDIR:-/tmp}: mktemp failed; free some space there, or set TMPDIR"
trap 'rm -rf "$log" ${part:+"$part"}' EXIT

[[ -z ${SATURN_TORCH_DIR:-} ]] || use_own_torch
if wants_cuda; then cuda=yes; else cuda=no; fi
if ! is_torch "$torch" || { [[ $cuda == yes ]] && ! has_cuda; }; then
  needs_pip=yes
  tools+=(python3:python3 unzip:unzip)
fi
install_packages
is_torch "$torch" || download_torch
[[ $cuda == no ]] || has_cuda || download_cuda
echo "$torch"
