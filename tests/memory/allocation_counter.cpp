#include "memory/allocation_counter.h"

#include <catch2/catch.hpp>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace ctrain {
namespace {

// Through a volatile pointer, so that the compiler cannot leave the pair of calls out.
void allocate(std::size_t bytes) {
  void* volatile pointer = ::operator new(bytes);
  ::operator delete(pointer);
}

TEST_CASE("Every form of new is counted once", "[allocations]") {
  struct alignas(128) Wide {
    std::byte bytes[128];
  };
  const AllocationCount before = allocation_count();
  allocate(100);
  const AllocationCount one = allocation_count();
  void* volatile array = ::operator new[](40);
  ::operator delete[](array);
  void* volatile nothrow = ::operator new(50, std::nothrow);
  ::operator delete(nothrow, std::nothrow);
  Wide* volatile wide = new Wide;
  const bool aligned = reinterpret_cast<std::uintptr_t>(wide) % alignof(Wide) == 0;
  delete wide;
  Wide* volatile wides = new Wide[2];
  delete[] wides;
  const AllocationCount after = allocation_count();
  CHECK(one.own_calls - before.own_calls == 1);
  CHECK(one.own_bytes - before.own_bytes == 100);
  CHECK(after.own_calls - one.own_calls == 4);
  CHECK(after.own_bytes - one.own_bytes >= 40 + 50 + 3 * 128);
  CHECK(after.vendor_calls == before.vendor_calls);
  CHECK(aligned);
}

TEST_CASE("Within a VendorCall allocations are the vendor's", "[allocations]") {
  const AllocationCount before = allocation_count();
  {
    const VendorCall outer;
    allocate(100);
    {
      const VendorCall inner;
      allocate(7);
    }
    allocate(1);
  }
  const AllocationCount vendor = allocation_count();
  allocate(20);
  const AllocationCount after = allocation_count();
  CHECK(vendor.own_calls == before.own_calls);
  CHECK(vendor.vendor_calls - before.vendor_calls == 3);
  CHECK(vendor.vendor_bytes - before.vendor_bytes == 108);
  CHECK(vendor.vendor_largest >= 100);
  CHECK(after.own_calls - vendor.own_calls == 1);
  CHECK(after.vendor_calls == vendor.vendor_calls);
}

TEST_CASE("A VendorCall is of its thread only", "[allocations]") {
  const auto largest_before = allocation_count().vendor_largest;
  const VendorCall here;
  std::int64_t own = -1, vendor = -1;
  std::thread([&] {
    const AllocationCount before = allocation_count();
    allocate(static_cast<std::size_t>(largest_before) + 1000);
    const AllocationCount after = allocation_count();
    own = after.own_calls - before.own_calls;
    vendor = after.vendor_calls - before.vendor_calls;
  }).join();
  CHECK(own == 1);
  CHECK(vendor == 0);
  allocate(static_cast<std::size_t>(largest_before) + 500);
  CHECK(allocation_count().vendor_largest >= largest_before + 500);
}

TEST_CASE("A request that cannot be met throws", "[allocations]") {
  std::size_t volatile too_much = std::size_t{1} << 62;
  bool thrown = false;
  try {
    allocate(too_much);
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  CHECK(thrown);
}

}  // namespace
}  // namespace ctrain
