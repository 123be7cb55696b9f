#!/usr/bin/env bash
# clang-tidy-16 over the sources (clang-tidy 14 fails on parts of C++20), with the checks of .clang-tidy.
#
#   tools/lint.sh [FILE ...]      default: every source file
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
if ! command -v clang-tidy-16 >/dev/null; then
  echo "lint.sh: clang-tidy-16 is missing (Debian and Ubuntu: apt install clang-tidy-16)" >&2
  exit 1
fi
if ! echo '#include <omp.h>' | clang-16 -fopenmp -fsyntax-only -x c++ - 2>/dev/null; then  # GCC's omp.h is not for clang
  echo "lint.sh: clang 16's omp.h is missing (Debian and Ubuntu: apt install clang-16 libomp-16-dev)" >&2
  exit 1
fi
cmake --preset release >/dev/null  # for its compile_commands.json
if [ $# -eq 0 ]; then
  mapfile -t files < <(git ls-files 'memory/*.cpp' 'ops/*.cpp' 'parallel/*.cpp' 'runtime/*.cpp' 'tools/*.cpp')
  set -- "${files[@]}"
fi
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 clang-tidy-16 -p build/release --quiet --extra-arg=-Wno-unknown-warning-option
