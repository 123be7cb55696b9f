#!/usr/bin/env bash
# Builds ctrain and runs every test: as users get it, then under the address and thread sanitizers.
#
#   tools/test.sh [--no-install] [--quick]      --quick: without the sanitizers
#
# Missing packages are installed with apt, or listed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
source tools/packages.sh

install=yes quick=no
for option in "$@"; do
  case $option in
    --no-install) install=no ;;
    --quick) quick=yes ;;
    *)
      echo "test.sh: '$option': unknown option; expected --no-install or --quick" >&2
      exit 2
      ;;
  esac
done
require_packages $install

build_and_test() {  # preset, further options of ctest
  cmake --preset "$1"
  cmake --build --preset "$1"
  ctest --preset "$@"
}

build_and_test release
[ $quick = no ] || exit 0
build_and_test asan --label-exclude slow
build_and_test tsan
