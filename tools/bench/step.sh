#!/usr/bin/env bash
# Prints samples/s of a ViT-Tiny training step on the CPU, its share of the matmul rate and a table of its operations.
# Arguments: [threads] [steps]
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --preset release >/dev/null
cmake --build --preset release --target bench_step >/dev/null
exec build/release/bench_step tools/bench/vit_tiny.yaml "$@"
