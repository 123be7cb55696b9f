# Checks the shape of the source tree: cmake -D ROOT=<source folder> -P check_floors.cmake
#  - a floor includes only itself and the floors below it
#  - vendor headers stay behind their walls
#  - no source file is longer than 600 lines
#  - the top level holds nothing new
cmake_policy(SET CMP0057 NEW)  # IN_LIST

set(floors memory ops parallel runtime tools)  # lowest first
set(top_level ${floors} tests configs third_party CMakeLists.txt CMakePresets.json LICENSE README.md
              .ci .clang-format .clang-tidy .git .gitignore build runs)
set(longest 600)

# What a header is called, and where alone it may be included.
set(walls
    "mpi\\.h|nccl\\.h|gloo/" "parallel/comm/"
    "yaml-cpp/" "runtime/config/"
    "pcre2" "runtime/data/text/"
    "dnnl|oneapi/dnnl" "ops/cpu/|tools/bench/|tests/ops/"
    "CLI/" "tools/"
    "cuda|cublas|cudnn|nvrtc|nvtx" "memory/cuda/|ops/cuda/|parallel/comm/|tests/emulated_cuda/")

set(problems "")
macro(problem)
  string(CONCAT text ${ARGN})
  list(APPEND problems "${text}")
endmacro()

function(below floor output)  # the floors that `floor` may include, itself among them
  list(FIND floors ${floor} index)
  math(EXPR count "${index} + 1")
  list(SUBLIST floors 0 ${count} allowed)
  set(${output} ${allowed} PARENT_SCOPE)
endfunction()

macro(check_include file line header)
  string(REGEX MATCH "^[^/]+" from ${file})
  string(REGEX MATCH "^[^/]+" to ${header})
  if(${to} IN_LIST floors AND ${from} IN_LIST floors)
    below(${from} allowed)
    if(NOT ${to} IN_LIST allowed)
      problem("${file}:${line}: ${from}/ includes ${header}, which is above it")
    endif()
  endif()
  set(rest ${walls})
  while(rest)
    list(POP_FRONT rest vendor place)
    if(${header} MATCHES "^(${vendor})" AND NOT ${file} MATCHES "^(${place})")
      problem("${file}:${line}: includes ${header}, allowed only under ${place}")
    endif()
  endwhile()
endmacro()

file(GLOB entries RELATIVE ${ROOT} ${ROOT}/* ${ROOT}/.*)
foreach(entry ${entries})
  if(NOT ${entry} IN_LIST top_level)
    problem("${entry}: unexpected at the top level")
  endif()
endforeach()

set(sources "")
foreach(folder ${floors} tests)
  file(GLOB_RECURSE found RELATIVE ${ROOT} ${ROOT}/${folder}/*.h ${ROOT}/${folder}/*.cpp ${ROOT}/${folder}/*.cu
       ${ROOT}/${folder}/*.cuh)
  list(APPEND sources ${found})
endforeach()
foreach(file ${sources})
  file(READ ${ROOT}/${file} content)
  string(REGEX MATCHALL "\n" ends "${content}")
  list(LENGTH ends lines)
  if(lines GREATER longest)
    problem("${file}: ${lines} lines, but at most ${longest}")
  endif()
  # Lines up to each include are counted by the newlines before it.
  string(REGEX MATCHALL "(^|\n)[ \t]*#[ \t]*include[ \t]*[<\"][^>\"\n]+" includes "${content}")
  foreach(include ${includes})
    string(FIND "${content}" "${include}" at)
    string(SUBSTRING "${content}" 0 ${at} before)
    string(REGEX MATCHALL "\n" ends "${before}")
    list(LENGTH ends line)
    if(include MATCHES "^\n")
      math(EXPR line "${line} + 1")
    endif()
    math(EXPR line "${line} + 1")
    string(REGEX REPLACE ".*[<\"]" "" header "${include}")
    check_include(${file} ${line} ${header})
  endforeach()
endforeach()

list(LENGTH sources count)
if(count EQUAL 0)
  message(FATAL_ERROR "${ROOT} has no sources")
elseif(problems)
  list(JOIN problems "\n  " text)
  message(FATAL_ERROR "the source tree is out of shape:\n  ${text}")
endif()
message("${count} files in shape")
