# The packages that ctrain needs, and how to get them; sourced by quickstart.sh and test.sh.

# Debian, Ubuntu, RHEL (with EPEL and CRB), conda-forge, and how to see that it is there: a command, a header or a file.
# What stands there with a question mark is wanted only where apt has it: ctrain can be built without.
packages() {
  cat <<'LIST'
g++                    g++                    gcc-c++         gxx            command:g++
cmake                  cmake                  cmake           cmake          command:cmake
ninja-build            ninja-build            ninja-build     ninja          command:ninja
ccache                 ccache                 ccache          ccache         command:ccache
git                    git                    git             git            command:git
libopenmpi-dev         libopenmpi-dev         openmpi-devel   openmpi        command:mpicxx
openmpi-bin            openmpi-bin            openmpi         openmpi        command:mpirun
libyaml-cpp-dev        libyaml-cpp-dev        yaml-cpp-devel  yaml-cpp       header:yaml-cpp/yaml.h
libcli11-dev           libcli11-dev           cli11-devel     cli11          header:CLI/CLI.hpp
libgloo-dev            libgloo-dev            -               -              ?header:gloo/context.h
libfmt-dev             libfmt-dev             fmt-devel       fmt            header:fmt/format.h
libdnnl-dev            libdnnl-dev            onednn-devel    onednn=2       header:dnnl.hpp
zlib1g-dev             zlib1g-dev             zlib-devel      zlib           header:zlib.h
libpcre2-dev           libpcre2-dev           pcre2-devel     pcre2          header:pcre2posix.h
nlohmann-json3-dev     nlohmann-json3-dev     json-devel      nlohmann_json  header:nlohmann/json.hpp
catch2                 catch2                 catch2-devel    catch2=2       header:catch2/catch.hpp
dataset-fashion-mnist  dataset-fashion-mnist  -               -              file:/usr/share/datasets/fashion-mnist
bible-kjv              bible-kjv              -               -              ?command:bible
LIST
}

is_there() {  # a probe of the list
  case $1 in
    command:*) command -v "${1#*:}" >/dev/null ;;
    header:*) "${CXX:-g++}" -E -x c++ ${CONDA_PREFIX:+-I"$CONDA_PREFIX/include"} -include "${1#*:}" /dev/null >/dev/null 2>&1 ;;
    file:*) [ -e "${1#*:}" ] ;;
    \?*) ! command -v apt-get >/dev/null || is_there "${1#?}" ;;
  esac
}

missing_packages() {  # the rows of the list that are not there
  packages | while read -r debian ubuntu rhel conda probe; do
    is_there "$probe" || echo "$debian $ubuntu $rhel $conda"
  done
}

list_missing() {
  local missing=$1 column=1 system
  echo "These packages are missing:"
  for system in Debian Ubuntu "RHEL (with EPEL and CRB)" "conda (conda-forge)"; do
    echo "  $system:" $(awk -v column=$column '$column != "-" {print $column}' <<<"$missing")
    column=$((column + 1))
  done
  case $missing in
    *dataset-fashion-mnist*)
      echo "Where no package brings Fashion-MNIST: put its four .gz files (github.com/zalandoresearch/fashion-mnist)"
      echo "into /usr/share/datasets/fashion-mnist."
      ;;
  esac
}

# Installs what is missing with apt; where that cannot be (or with `no`), lists it and stops.
require_packages() {
  local may_install=$1 missing as_root=
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then as_root=sudo; else may_install=no; fi
  fi
  if [ "$may_install" = yes ] && command -v apt-get >/dev/null; then
    $as_root apt-get update </dev/null
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      $(awk '{print $1}' <<<"$missing") </dev/null
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
  fi
  list_missing "$missing" >&2
  exit 1
}
