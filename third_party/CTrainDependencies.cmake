# Every package that ctrain links; third_party/README.md lists version, licence and reason.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
set(MPI_CXX_SKIP_MPICXX ON)  # the C interface only
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(dnnl REQUIRED CONFIG)
find_package(fmt REQUIRED CONFIG)
find_package(yaml-cpp REQUIRED CONFIG)
find_package(CLI11 REQUIRED CONFIG)
find_package(nlohmann_json REQUIRED CONFIG)
find_package(ZLIB REQUIRED)
find_package(Catch2 2 REQUIRED CONFIG)
find_package(Gloo QUIET CONFIG)  # optional: without it the backend gloo is refused by name

if(CTRAIN_CUDA STREQUAL "ON")
  find_package(CUDAToolkit REQUIRED)
elseif(CTRAIN_CUDA STREQUAL "AUTO")
  find_package(CUDAToolkit QUIET)
endif()
if(CUDAToolkit_FOUND)
  set(CTRAIN_CUDA_VERSION ${CUDAToolkit_VERSION})
else()
  set(CTRAIN_CUDA_VERSION "")
endif()

find_program(CTRAIN_CCACHE ccache)
if(CTRAIN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CTRAIN_CCACHE})
endif()
