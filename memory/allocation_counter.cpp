#include "memory/allocation_counter.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace ctrain {
namespace {

// Counters of the process, like the heap that they count; everything else in ctrain belongs to an object.
std::atomic<std::int64_t> own_calls{0}, own_bytes{0}, vendor_calls{0}, vendor_bytes{0}, vendor_largest{0};
thread_local int vendor_depth = 0;

void count(std::size_t size) {
  const auto bytes = static_cast<std::int64_t>(size);
  if (vendor_depth == 0) {
    own_calls.fetch_add(1, std::memory_order_relaxed);
    own_bytes.fetch_add(bytes, std::memory_order_relaxed);
    return;
  }
  vendor_calls.fetch_add(1, std::memory_order_relaxed);
  vendor_bytes.fetch_add(bytes, std::memory_order_relaxed);
  std::int64_t largest = vendor_largest.load(std::memory_order_relaxed);
  while (bytes > largest && !vendor_largest.compare_exchange_weak(largest, bytes, std::memory_order_relaxed)) {
  }
}

void* allocate(std::size_t size, std::size_t alignment) {
  count(size);
  if (size == 0) size = 1;
  void* pointer = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    pointer = std::malloc(size);
  } else if (posix_memalign(&pointer, alignment, size) != 0) {
    pointer = nullptr;
  }
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

}  // namespace

AllocationCount allocation_count() {
  return {own_calls.load(), own_bytes.load(), vendor_calls.load(), vendor_bytes.load(), vendor_largest.load()};
}

VendorCall::VendorCall() { ++vendor_depth; }
VendorCall::~VendorCall() { --vendor_depth; }

}  // namespace ctrain

// Some forms of the standard library would call others, but a sanitizer replaces each that is not replaced here.
void* operator new(std::size_t size) { return ctrain::allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return ctrain::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return ctrain::allocate(size, 0);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return ctrain::allocate(size, static_cast<std::size_t>(alignment));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return operator new(size, alignment); }
void* operator new[](std::size_t size, const std::nothrow_t& nothrow) noexcept { return operator new(size, nothrow); }
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t& nothrow) noexcept {
  return operator new(size, alignment, nothrow);
}
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { std::free(pointer); }
void operator delete(void* pointer, const std::nothrow_t&) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::align_val_t, const std::nothrow_t&) noexcept { std::free(pointer); }
void operator delete[](void* pointer) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, const std::nothrow_t&) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::align_val_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::size_t, std::align_val_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::align_val_t, const std::nothrow_t&) noexcept { std::free(pointer); }
