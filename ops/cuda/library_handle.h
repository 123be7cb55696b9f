// A library's handle: one per thread and device, made when first asked for and kept until the thread ends.
#pragma once

#include <map>
#include <memory>

#include "memory/cuda/check.h"

namespace ctrain::cuda {

// Of the device that is current; `create` makes one, `destroy` is the library's function.
template <typename Handle, auto destroy, typename Create>
Handle library_handle(const Create& create) {
  struct Destroy {
    void operator()(Handle handle) const { destroy(handle); }
  };
  thread_local std::map<int, std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>> handles;
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  auto& handle = handles[device];
  if (!handle) handle.reset(create());
  return handle.get();
}

}  // namespace ctrain::cuda
