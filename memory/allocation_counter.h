// Counts heap allocations of this process through operator new, ctrain's own apart from those inside a vendor's
// library, so that "nothing is allocated after the first step" is a number and not a hope.
#pragma once

#include <cstdint>

namespace ctrain {

struct AllocationCount {
  std::int64_t own_calls = 0, own_bytes = 0;        // since the program started, all threads
  std::int64_t vendor_calls = 0, vendor_bytes = 0;  // within a VendorCall
  std::int64_t vendor_largest = 0;                  // the largest single one
};

[[nodiscard]] AllocationCount allocation_count();

// While one lives on a thread, that thread's allocations count as the vendor's.
class VendorCall {
 public:
  VendorCall();
  ~VendorCall();
  VendorCall(const VendorCall&) = delete;
  VendorCall& operator=(const VendorCall&) = delete;
};

}  // namespace ctrain
