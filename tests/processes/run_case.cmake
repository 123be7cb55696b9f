# Runs one case of test_mpi on four ranks and checks how it ended: EXIT zero or nonzero, in time (sanitizers are slow on a busy machine), with ERROR printed.
execute_process(COMMAND ${MPIEXEC} -np 4 --oversubscribe --bind-to none ${PROGRAM} ${CASE} TIMEOUT 60
                RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE error)
message("${output}${error}")
if(NOT result MATCHES "^[0-9]+$")
  message(FATAL_ERROR "the job did not end by itself: ${result}")
elseif((EXIT STREQUAL "zero") AND NOT (result EQUAL 0))
  message(FATAL_ERROR "exit code ${result}")
elseif((EXIT STREQUAL "nonzero") AND (result EQUAL 0))
  message(FATAL_ERROR "exit code 0, but the job cannot have succeeded")
elseif(ERROR AND NOT ("${output}${error}" MATCHES "${ERROR}"))
  message(FATAL_ERROR "no line '${ERROR}'")
endif()
