#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what Saturn is built from, where it is missing: Debian packages (apt, as root) and LibTorch (pinned PyPI wheels).
# Prints LibTorch's folder on stdout and everything else on stderr. Run it again at any time: it does what is left to do.
#   --for-tests        also clang-format and shellcheck, if this is root (without them two tests are skipped)
#   SATURN_DEPS_DIR    where LibTorch is unpacked (default: build/deps in the checkout); an absolute path
#   SATURN_TORCH_DIR   the torch folder of an existing PyTorch or LibTorch, an absolute path; nothing is downloaded then
# Exit: 0 all is there; 3 something is missing, and one line says what, why and what to do.
set -euo pipefail

readonly torch_version=2.11.0 download_megabytes=545 needed_megabytes=2500
tools=(g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config)
libraries=(coinor-libcbc-dev doctest-dev libcli11-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev zlib1g-dev)

wheels() {
  cat <<'WHEELS'
torch==2.11.0 --hash=sha256:7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
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
  is_torch "$torch" || has_pip || echo python3-pip
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

pip_download() {
  wheels >"$part/wheels.txt"
  # The temporary files go where the free space was checked.
  TMPDIR=$part python3 -m pip download --disable-pip-version-check --no-input --retries 3 --timeout 60 \
    --no-deps --only-binary=:all: --implementation cp --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --require-hashes -r "$part/wheels.txt" -d "$part/wheels" </dev/null >&2 2>"$log"
}

why_pip_failed() {
  if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
    local wheel
    wheel=$(sed -nE 's/^ +([a-z-]+==[^ ]+) from .*/\1/p' "$log" | head -n1)
    echo "the hash of ${wheel:-a wheel} is not the pinned one; something between PyPI and this machine changed it: do not use it"
  elif grep -q 'No space left on device' "$log"; then
    echo "the disk is full; free some space, or set SATURN_DEPS_DIR to a folder on another disk"
  elif grep -qE 'connection broken|NewConnectionError|name resolution|timed out' "$log"; then
    echo "PyPI cannot be reached; check the network, or set SATURN_TORCH_DIR to the torch folder of a PyTorch"
  else
    echo "pip says '$(grep '^ERROR' "$log" | tail -n1 || tail -n1 "$log")'; or set SATURN_TORCH_DIR to the torch folder of a PyTorch"
  fi
}

check_download() { # what would stop a download is said before it starts
  local what="cannot download LibTorch $torch_version" instead="or set SATURN_TORCH_DIR to the torch folder of a PyTorch"
  [[ $(uname -m) == x86_64 ]] || die "$what: the pinned wheels are for x86_64, not for $(uname -m); set SATURN_TORCH_DIR \
to the torch folder of a PyTorch"
  has_pip || die "$what: $(command -v python3) has no pip; put a python3 with pip first in PATH, $instead"
  [[ ! -e $unpacked ]] || die "cannot unpack LibTorch into $unpacked: something else is there; move it away and run again"
  mkdir -p "$deps" 2>/dev/null || die "cannot create $deps: no permission, or no folder; set SATURN_DEPS_DIR"
  local blocks size free
  read -r blocks size < <(stat -f -c '%a %S' "$deps")
  free=$((blocks * size / 1000000))
  ((free >= needed_megabytes)) || die "$what: $deps has $free MB free and $needed_megabytes MB are needed; free some \
space, or set SATURN_DEPS_DIR to a folder on another disk"
}

unpack() { # wheel, patterns of what is taken from it; the wheel goes at once, so that the disk holds it only once
  local wheel=$1 reason
  shift
  unzip -q -o "$wheel" "$@" -d "$part/unpacked" </dev/null >"$log" 2>&1 || {
    reason=$(grep -v '^$' "$log" | tail -n1)
    ! grep -q 'disk full' "$log" || reason="the disk is full"
    die "cannot unpack ${wheel##*/} into $deps: $reason; free some space and run again"
  }
  rm "$wheel"
}

download_torch() {
  check_download
  part=$deps/.torch-$torch_version.part
  exec 9>"$deps/.setup.lock"
  flock -w 1200 9 || die "cannot set up LibTorch in $deps: another setup.sh has been at it for 20 minutes; end that one first"
  ! is_torch "$unpacked/torch" || return 0
  rm -rf "$part" && mkdir "$part"
  say "downloading LibTorch $torch_version ($download_megabytes MB)"
  pip_download || die "cannot download LibTorch $torch_version: $(why_pip_failed)"
  unpack "$part"/wheels/torch-*.whl 'torch/lib/*' 'torch/include/*'
  for wheel in "$part"/wheels/nvidia_*.whl; do unpack "$wheel" 'nvidia/*'; done
  mv -T "$part/unpacked" "$unpacked" # a folder of this name is always a whole LibTorch
}

# ---- main

if [[ ${1:-} == --for-tests && $(id -u) == 0 ]]; then tools+=(clang-format:clang-format shellcheck:shellcheck); fi
here=${BASH_SOURCE[0]%/*}
deps=$(realpath -m "${SATURN_DEPS_DIR:-$here/../build/deps}")
unpacked=$deps/torch-$torch_version
torch=$(realpath -m "${SATURN_TORCH_DIR:-$unpacked/torch}")
part=
log=$(mktemp) || die "cannot write to ${TMPDIR:-/tmp}: mktemp failed; free some space there, or set TMPDIR"
trap 'rm -rf "$log" ${part:+"$part"}' EXIT

[[ -z ${SATURN_TORCH_DIR:-} ]] || use_own_torch
is_torch "$torch" || tools+=(python3:python3 unzip:unzip)
install_packages
is_torch "$torch" || download_torch
echo "$torch"
