#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

// Read by the sanitizers where one is built in: tests ask for more memory than there is.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }  // NOLINT
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }  // NOLINT
