# How a floor, an executable and a test suite are declared. Floors are object libraries, so that a file which only
# registers something (an op, a mode, a hook) is linked without being named anywhere.

add_library(ctrain_options INTERFACE)
set(host_warnings -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
target_compile_options(ctrain_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${host_warnings} -march=${CTRAIN_ARCH}>)
# What nvcc generates does not pass -Wshadow and the like; its warnings are errors too. fmt 9 does not expect its constexpr.
# Without -march: the host's part of a .cu file only launches kernels, and its object then fits every build.
target_compile_options(ctrain_options INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-DFMT_USE_CONSTEXPR=1;-Werror=all-warnings -Xcompiler=-Wall,-Wextra>)
target_include_directories(ctrain_options INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(ctrain_options INTERFACE Threads::Threads)
if(CTRAIN_SANITIZE)
  target_compile_options(ctrain_options INTERFACE -fsanitize=${CTRAIN_SANITIZE} -fno-omit-frame-pointer
                                                  -fno-sanitize-recover=all) # what is found fails the test
  target_link_options(ctrain_options INTERFACE -fsanitize=${CTRAIN_SANITIZE})
  target_compile_options(ctrain_options INTERFACE -Wno-maybe-uninitialized) # false alarms in instrumented std::regex
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(ctrain_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>) # false alarms in std::string (GCC bug 105651)
endif()

set(CTRAIN_FLOORS "" CACHE INTERNAL "")

# ctrain_floor(<folder> BELOW <floors> LIBRARIES <targets> [WITHOUT <regular expression of files left out>])
function(ctrain_floor folder)
  cmake_parse_arguments(FLOOR "" "" "BELOW;LIBRARIES;WITHOUT" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  if(CTRAIN_CUDA_VERSION)
    file(GLOB_RECURSE kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cu)
    list(APPEND sources ${kernels})
  else()
    list(APPEND FLOOR_WITHOUT "/cuda/" "comm/nccl")
  endif()
  foreach(expression ${FLOOR_WITHOUT})
    list(FILTER sources EXCLUDE REGEX ${expression})
  endforeach()
  add_library(ctrain_${folder} OBJECT ${sources})
  target_link_libraries(ctrain_${folder} PUBLIC ctrain_options ${FLOOR_LIBRARIES})
  foreach(below ${FLOOR_BELOW})
    target_link_libraries(ctrain_${folder} PUBLIC ctrain_${below})
  endforeach()
  set(CTRAIN_FLOORS ${CTRAIN_FLOORS} ctrain_${folder} CACHE INTERNAL "")
endfunction()

# ctrain_executable(<name> <folder or file>)
function(ctrain_executable name source)
  set(sources ${PROJECT_SOURCE_DIR}/${source})
  if(IS_DIRECTORY ${sources})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${source}/*.cpp)
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${CTRAIN_FLOORS} CLI11::CLI11)
endfunction()
