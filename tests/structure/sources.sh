# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# sources ROOT PATTERN...: the project's files with these names, one a line, relative to ROOT: those known to git, or all
# of them in a tree without git (an unpacked archive, a test's fixture).
sources() {
  local root=$1 pattern names=()
  shift
  if [[ -e $root/.git ]] && git -C "$root" rev-parse 2>/dev/null; then
    # A file just deleted is still listed until that is committed.
    git -C "$root" ls-files -- "$@" | while read -r file; do [[ ! -e $root/$file ]] || echo "$file"; done
    return
  fi
  for pattern in "$@"; do names+=(-o -name "$pattern"); done
  (cd "$root" && find . -path ./build -prune -o -type f \( "${names[@]:1}" \) -print | sed 's|^\./||' | sort)
}
