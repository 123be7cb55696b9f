#!/usr/bin/env bash
# Builds ctrain, trains a small Vision Transformer on Fashion-MNIST and evaluates it.
#
#   tools/quickstart.sh [--no-install] [options of ctrain]
#
# Missing packages are installed with apt, or listed. Every run gets a new folder: runs/quickstart-1, -2, ...
# (CTRAIN_RUNS names another folder than runs).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
source tools/packages.sh

install=yes
if [ "${1:-}" = --no-install ]; then
  install=no
  shift
fi
require_packages $install

cmake --preset release
cmake --build --preset release

runs=${CTRAIN_RUNS:-runs}
mkdir -p "$runs"
number=1
until mkdir "$runs/quickstart-$number" 2>/dev/null; do number=$((number + 1)); done
run=$runs/quickstart-$number
trap 'rmdir "$run" 2>/dev/null || true' EXIT  # of a training that could not begin

build/release/ctrain --config configs/vit_2d.yaml --output "$run" "$@"
checkpoint=$(ls -d "$run"/checkpoints/step_* | sort --version-sort | tail -n 1)
build/release/ctrain eval --config configs/vit_2d.yaml --checkpoint "$checkpoint" | tee "$run/eval.json"

cat <<END

Done. The results are in $run:
  eval.json        loss and accuracy on the 10,000 test images
  metrics.jsonl    every step, epoch and evaluation
  summary.json     sizes, speed, memory, bytes sent
  $(basename "$checkpoint") in checkpoints/ holds the trained weights (model.safetensors)
END
