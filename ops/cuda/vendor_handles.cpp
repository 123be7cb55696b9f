#include "ops/cuda/vendor_handles.h"

#include <map>
#include <memory>

#include "memory/cuda/check.h"

namespace ctrain::cuda {
namespace {

template <typename Handle, auto create, auto destroy>
Handle handle_of_device(const char* what) {
  struct Destroy {
    void operator()(Handle handle) const { destroy(handle); }
  };
  thread_local std::map<int, std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>> handles;
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  auto& handle = handles[device];
  if (!handle) {
    Handle made = nullptr;
    check(create(&made), what);
    handle.reset(made);
  }
  return handle.get();
}

}  // namespace

cublasLtHandle_t cublas_lt_handle() {
  return handle_of_device<cublasLtHandle_t, cublasLtCreate, cublasLtDestroy>("cublasLtCreate");
}

cudnnHandle_t cudnn_handle() { return handle_of_device<cudnnHandle_t, cudnnCreate, cudnnDestroy>("cudnnCreate"); }

}  // namespace ctrain::cuda
