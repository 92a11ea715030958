#!/usr/bin/env bash
# gpu_training.sh PACKAGES.tar.xz [arguments of gpu_training.py]
# Runs the GPU measurements with packages that were carried along (benchmarks/README.md says how).
set -euo pipefail
packages=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
tar xJf "$packages" -C "$site"
export PYTHONPATH="$root:$root/tools:$root/training:$site" PYTHONUNBUFFERED=1
export HF_HUB_OFFLINE=1
python3 "$root/benchmarks/gpu_training.py" "$@"
