#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install_test.sh BUILD TORCH: `cmake --install` puts every file where saturn and a reader look for it, the programs start
# from a prefix that was moved, and the worker still finds LibTorch.
set -euo pipefail

build=$1 torch=$2
[[ -x $build/bin/saturn && -x $build/bin/saturn-worker ]] || { echo "skipped: the programs are not built" && exit 77; }
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
fail() {
  echo "$1" >&2
  exit 1
}

cmake --install "$build" --prefix "$world/first" >"$world/log" 2>&1 || fail "$(cat "$world/log")"
mv "$world/first" "$world/moved"
cd "$world/moved"

for file in bin/saturn bin/saturn-worker share/saturn/LICENSE share/saturn/workloads/quickstart.yaml \
  share/saturn/python/saturn.py share/saturn/workloads/logistic/parallelism.yaml \
  lib/saturn/libsaturn_train.so lib/saturn/parallelisms/ddp/parallelism.yaml lib/saturn/parallelisms/ddp/ddp.so; do
  [[ -f $file ]] || fail "not installed: $file; there is:
$(find . -type f)"
done
stray=$(find . -type f | grep -vE '^\./(bin/saturn(-worker)?|lib/saturn/(libsaturn_train|saturn-cuda)\.so|lib/saturn/parallelisms/[^/]+/[^/]+\.(yaml|so)|include/saturn/[^/]+/[^/]+\.h|lib/cmake/Saturn/[^/]+\.cmake|share/saturn/.+)$' || true)
[[ -z $stray ]] || fail "installed and unexpected: $stray"

bin/saturn --help >"$world/help" || fail "bin/saturn --help does not end with 0"
[[ -s $world/help ]] || fail "bin/saturn --help prints nothing"
grep -qF "$torch/lib" <<<"$(readelf -d lib/saturn/libsaturn_train.so)" || fail "libsaturn_train.so does not look for LibTorch in $torch/lib"
for file in bin/saturn-worker lib/saturn/parallelisms/ddp/ddp.so; do
  ! ldd "$file" | grep 'not found' || fail "$file does not find what it needs"
  grep -qF "libsaturn_train.so => $PWD/" <<<"$(ldd "$file")" || fail "$file uses another libsaturn_train.so"
done
if [[ -e $build/lib/train/saturn-cuda.so ]]; then
  [[ -f lib/saturn/saturn-cuda.so ]] || fail "saturn-cuda.so is built and not installed beside libsaturn_train.so"
  grep -qF "libsaturn_train.so => $PWD/" <<<"$(ldd lib/saturn/saturn-cuda.so)" || fail "saturn-cuda.so uses another libsaturn_train.so"
  grep -qF saturn-cuda.so <<<"$(ninja -C "$build" -t inputs saturn-worker)" || fail "who builds saturn-worker alone gets no saturn-cuda.so"
fi
bin/saturn-worker --help >"$world/help" || fail "bin/saturn-worker --help does not end with 0"

# The workloads read LibTorch's headers: in a prefix, too, where no build folder is beside them.
for workload in quickstart four-ways; do
  pattern=$(sed -n 's/.*files: "\([^"]*\)".*/\1/p' "share/saturn/workloads/$workload.yaml" | head -1)
  folder=${pattern%%/\**}
  [[ $folder == "$torch"/* && -n $(find "$folder" -name '*.h' -print -quit) ]] || fail "$workload.yaml names data that are not there: $pattern"
done
