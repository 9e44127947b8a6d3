#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packs Saturn for machines that have neither Debian's packages nor root: both programs, parallelisms, the libraries that they need,
# workloads and scripts, in one folder that runs from any place on x86-64 Linux with a glibc at least as new as this machine's
# (Debian 12: 2.36). Unpack it where all nodes see it; bin/saturn is all there is to it.
#
#   scripts/bundle.sh [--torch own|present] [--output DIRECTORY] [BUILD_DIRECTORY]
#
#   --torch own      with this build's LibTorch (the default; a gigabyte and more)
#   --torch present  without: bin/use-torch, run once over there, takes that of a PyTorch of the same version
#   --output         where saturn-VERSION-x86_64.tar.gz goes (default: the current directory); one that is there is kept
# Needs patchelf (Debian: apt-get install patchelf). Prints the name of the tarball.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
die() {
  echo "bundle.sh: $1" >&2
  exit 3
}

with_torch=own output=.
while [[ ${1:-} == --* ]]; do
  case $1 in
    --torch) with_torch=${2:-} ;;
    --output) output=${2:?--output needs a directory} ;;
    *) echo "bundle.sh: unknown option $1" >&2 && exit 2 ;;
  esac
  shift 2
done
[[ $with_torch == own || $with_torch == present ]] || { echo "bundle.sh: --torch is own or present" >&2 && exit 2; }
build=$(cd "${1:-$here/../build/release}" 2>/dev/null && pwd) || die "there is no build; run scripts/build.sh release first"
[[ -x $build/bin/saturn && -x $build/bin/saturn-worker ]] || die "$build has no programs; run scripts/build.sh release first"
command -v patchelf >/dev/null || die "there is no patchelf; apt-get install patchelf"
torch=$(sed -n 's/^SATURN_TORCH_DIR:PATH=//p' "$build/CMakeCache.txt")
name=saturn-$("$build/bin/saturn" --version | cut -d' ' -f2)-x86_64
tarball=$(realpath -m "$output")/$name.tar.gz
[[ ! -e $tarball ]] || die "$tarball is there already; move it away first"

work=$(mktemp -d)
trap 'rm -rf "$work" "$tarball.part"' EXIT
bundle=$work/$name libraries=$work/$name/lib/saturn
cmake --install "$build" --prefix "$bundle" >/dev/null
mkdir "$libraries/system"

# ---- libraries of the system: all but glibc, which belongs to the kernel and the loader over there, and Torch's

not_ours='/(libc|libm|libdl|libpthread|librt|libutil|libresolv|ld-linux.*|libtorch.*|libc10.*|libgomp.*|libcu.*|libnv.*|libnccl.*|libsaturn.*)(-[0-9a-f]+)?\.so'
needed_by() { ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u; }
cbc=$(ldconfig -p 2>/dev/null | sed -n 's/.*libCbcSolver\.so\.3 .*=> //p' | head -n1) # opened when it is needed
[[ -n $cbc ]] || die "CBC is not installed; run scripts/setup.sh"
{
  needed_by "$bundle/bin/saturn" "$bundle/bin/saturn-worker" "$cbc" "$libraries/libsaturn_train.so"
  echo "$cbc"
} | sort -u | grep -vE "$not_ours" | while read -r library; do cp -L "$library" "$libraries/system/"; done

# ---- LibTorch

sed -nE 's/^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' "$torch/include/torch/headeronly/version.h" |
  paste -sd. >"$libraries/torch-version"
if [[ $with_torch == own ]]; then
  outer=$(realpath "$torch/..")
  mapfile -t used < <(needed_by "$libraries"/*.so "$bundle/bin/saturn-worker" | grep "^$outer/")
  # What CUDA's libraries open by themselves is there where all of them are.
  if [[ -e $outer/nvidia/.complete ]]; then mapfile -t -O ${#used[@]} used < <(find "$outer/nvidia" -name '*.so*'); fi
  for library in "${used[@]}"; do
    mkdir -p "$(dirname "$libraries/${library#"$outer/"}")"
    cp -L "$library" "$libraries/${library#"$outer/"}"
  done
fi
install -m 755 "$here/use-torch" "$bundle/bin/use-torch"

# ---- every file finds the others from its own place

cuda=$(cd "$torch/.." && find nvidia -maxdepth 2 -name lib -type d 2>/dev/null | head -n1)
torch_path="torch/lib:\$ORIGIN/torch/../${cuda:-nvidia/cu13/lib}:\$ORIGIN/torch/../nvidia/nccl/lib"
patchelf --set-rpath "\$ORIGIN/../lib/saturn/system" "$bundle/bin/saturn"
patchelf --set-rpath "\$ORIGIN/../lib/saturn:\$ORIGIN/../lib/saturn/system:\$ORIGIN/../lib/saturn/torch/lib" "$bundle/bin/saturn-worker"
for library in "$libraries"/*.so; do patchelf --set-rpath "\$ORIGIN:\$ORIGIN/system:\$ORIGIN/$torch_path" "$library"; done
for library in "$libraries"/parallelisms/*/*.so; do patchelf --set-rpath "\$ORIGIN/../..:\$ORIGIN/../../system:\$ORIGIN/../../torch/lib" "$library"; done
for library in "$libraries"/system/*; do patchelf --set-rpath "\$ORIGIN" "$library"; done

mkdir "$bundle/share/saturn/slurm" "$bundle/share/saturn/bench"
cp "$here/slurm/saturn.sbatch" "$bundle/share/saturn/slurm/"
cp "$here/bench/gpu.sh" "$here/bench/gpu.py" "$bundle/share/saturn/bench/"
tar -C "$work" --sort=name --owner=0 --group=0 -czf "$tarball.part" "$name"
mv "$tarball.part" "$tarball"
echo "$tarball"
