// For tests: OpenMP threads of the calling thread, among which kernels divide their work.
#pragma once

#include <omp.h>

namespace ctrain::testing {

// Sets this thread's number of OpenMP threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace ctrain::testing
