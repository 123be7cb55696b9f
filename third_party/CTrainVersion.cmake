# ctrain_version(<source file>): gives the file CTRAIN_VERSION, CTRAIN_COMMIT ("unknown" outside of git) and how it was
# configured. CMake runs again after a commit, so that the commit is the one that is built.
function(ctrain_git output)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                  OUTPUT_VARIABLE answer RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed)
    set(answer "")
  endif()
  set(${output} "${answer}" PARENT_SCOPE)
endfunction()

function(ctrain_version source)
  find_package(Git QUIET)
  if(Git_FOUND)
    ctrain_git(commit --short=12 HEAD)
    ctrain_git(log --git-path logs/HEAD)
    cmake_path(ABSOLUTE_PATH log BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
    if(commit AND EXISTS "${log}")
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${log}")
    endif()
  endif()
  if(NOT commit)
    set(commit "unknown")
  endif()
  set(definitions CTRAIN_VERSION="${PROJECT_VERSION}" CTRAIN_COMMIT="${commit}"
                  CTRAIN_COMPILER="${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
                  CTRAIN_BUILD_TYPE="${CMAKE_BUILD_TYPE}")
  foreach(fact CTRAIN_ARCH CTRAIN_SANITIZE CTRAIN_CUDA_VERSION CTRAIN_CUDNN_VERSION CTRAIN_NCCL_VERSION)
    list(APPEND definitions ${fact}="${${fact}}")
  endforeach()
  set_source_files_properties(${source} PROPERTIES COMPILE_DEFINITIONS "${definitions}")
endfunction()
