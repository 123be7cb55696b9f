// Tells the address sanitizer, where one is built in, that a thread goes on with another stack.
#pragma once

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulated_cuda {

#ifdef __SANITIZE_ADDRESS__
class SanitizerFiber {
 public:
  void leave_for(const void* stack, std::size_t bytes) { __sanitizer_start_switch_fiber(&own_, stack, bytes); }
  void enter() { __sanitizer_finish_switch_fiber(own_, nullptr, nullptr); }
  void enter_first(const void*& stack_before, std::size_t& bytes_before) {
    __sanitizer_finish_switch_fiber(nullptr, &stack_before, &bytes_before);
  }

 private:
  void* own_ = nullptr;
};
#else
class SanitizerFiber {
 public:
  void leave_for(const void*, std::size_t) {}
  void enter() {}
  void enter_first(const void*&, std::size_t&) {}
};
#endif

}  // namespace emulated_cuda
