#!/usr/bin/env bash
# Packs ctrain, its tests for GPUs, its configurations and the shared libraries that other machines lack into one archive.
# It runs on any x86-64 Linux machine of the last ten years with a driver and CUDA 13's libraries (cudart, cuBLASLt,
# cuDNN, NCCL), without a package registry: unpack it anywhere, then tools/gpu_check.sh in it, or bin/ctrain. The
# machine's glibc has to be as new as that of the one that packs, which is told at the end.
#
#   tools/bundle.sh [ARCHIVE]      default: build/ctrain-bundle.tar.xz
#
# Builds what it packs in build/bundle, for x86-64-v3 (CTRAIN_ARCH): the release preset's build fits only this machine's
# processor.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
case ${1:-} in
  -*)
    echo "bundle.sh: '$1': unknown option; expected the archive's path, or nothing" >&2
    exit 2
    ;;
esac
archive=$(realpath -m "${1:-build/ctrain-bundle.tar.xz}")
build=build/bundle
targets=(ctrain bench_step bench_operations test_ops test_equality)

cmake -S . -B $build -G Ninja -D CMAKE_BUILD_TYPE=Release -D CTRAIN_ARCH=x86-64-v3 >/dev/null
cmake --build $build --target "${targets[@]}"

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
top=$staging/ctrain-bundle
mkdir -p $top/{bin,libexec,lib,tools/bench}
for target in "${targets[@]}"; do
  program=$build/$target
  [ -x $program ] || program=$build/tests/$target
  strip -o $top/libexec/$target $program
  # Not by an RPATH: libraries that have a RUNPATH, as Debian's Open MPI, do not heed it.
  cat >$top/bin/$target <<'END'
#!/usr/bin/env bash
# The program of this name in libexec/ with the libraries of the bundle, wherever that was unpacked; CUDA's come from
# LD_LIBRARY_PATH, the system, or where they usually are.
top=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cuda=/usr/local/cuda/lib64:/usr/local/cuda/lib:/usr/local/cuda/targets/x86_64-linux/lib
export LD_LIBRARY_PATH=$top/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}:$cuda
exec "$top/libexec/$(basename "$0")" "$@"
END
  chmod +x $top/bin/$target
done
cp -r configs LICENSE README.md $top
cp tools/gpu_check.sh $top/tools
cp tools/bench/{*.yaml,*.py} $top/tools/bench

# The system's own libraries stay away, and what has to fit the driver: CUDA's.
is_left_out() {
  case $1 in
    linux-vdso.so* | ld-linux* | libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | libutil.so*) ;;
    libcuda.so* | libcudart* | libcublas* | libcudnn* | libnccl* | libnvrtc* | libnvJitLink*) ;;
    *) return 1 ;;
  esac
}
add_libraries() {  # of these programs and libraries
  local name path
  while read -r name path; do
    is_left_out "$name" || cp -nL "$path" "$top/lib/$name"
  done < <(ldd "$@" | awk '$2 == "=>" && $3 ~ "^/" {print $1, $3}' | sort -u)
}
add_libraries "${targets[@]/#/$top/libexec/}"

# Open MPI: its launcher and the plugins for processes on one host. Those for special networks need libraries of theirs.
if mpirun=$(command -v mpirun) && plugins=$(ompi_info --path pkglibdir --parsable 2>/dev/null | cut -d: -f3); then
  mkdir -p $top/openmpi/{bin,share}
  for program in mpirun orted; do cp -L "$(dirname "$mpirun")/$program" $top/openmpi/bin; done
  data=$(ompi_info --path pkgdatadir --parsable | cut -d: -f3)
  cp -rL "$data" $top/openmpi/share/openmpi
  for plugin in "$plugins"/mca_*.so; do
    case $plugin in
      *_ucx* | *_ofi* | *_psm* | *_openib* | *_usnic* | *_portals* | *_fs_* | *_fcoll_* | *_io_* | *_monitoring* | *_java*) continue ;;
    esac
    mkdir -p $top/openmpi/lib/openmpi
    cp -L "$plugin" $top/openmpi/lib/openmpi
  done
  add_libraries $top/openmpi/bin/* $top/openmpi/lib/openmpi/*.so
  cat >$top/bin/mpirun <<'END'
#!/usr/bin/env bash
# mpirun of the bundle, wherever that was unpacked.
top=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
export OPAL_PREFIX=$top/openmpi LD_LIBRARY_PATH=$top/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} PATH=$top/openmpi/bin:$PATH
export OMPI_MCA_mca_base_component_path=$top/openmpi/lib/openmpi
command -v ssh >/dev/null || export OMPI_MCA_plm_rsh_agent=false  # it is looked for though all is on one host
exec mpirun -x OPAL_PREFIX -x LD_LIBRARY_PATH -x OMPI_MCA_mca_base_component_path "$@"
END
  chmod +x $top/bin/mpirun
fi

mkdir -p "$(dirname "$archive")"
# All programs hold the same kernels: a dictionary that is longer than one of them stores these once.
tar -C "$staging" --sort=name --owner=0 --group=0 -cf - ctrain-bundle | xz -T1 --lzma2=preset=2,dict=96MiB >"$archive"
bytes=$(stat -c %s "$archive")
needed=$({ objdump -T $top/libexec/* $top/lib/* 2>/dev/null || true; } | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
echo "$archive: $((bytes / 1000000)) MB, needs ${needed/_/ } or newer"
if [ $bytes -ge 50000000 ]; then
  echo "bundle.sh: the archive is too large: expected less than 50 MB" >&2
  exit 1
fi
