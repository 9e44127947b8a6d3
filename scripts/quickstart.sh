#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a clean checkout to trained models: installs what is missing, builds, and runs workloads/quickstart.yaml.
# Arguments go to `saturn run`. Run it again at any time: it does what is left to do.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

scripts/build.sh release saturn saturn-worker parallelisms
exec build/release/bin/saturn run workloads/quickstart.yaml "$@"
