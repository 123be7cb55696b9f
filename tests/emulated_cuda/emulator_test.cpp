// What kernels rely on, and what the emulator must find wrong.
#include <catch2/catch.hpp>

#include <numeric>
#include <vector>

#include "ops/cuda/launch.h"
#include "ops/cuda/library_query.h"
#include "tests/ops/cases.h"

namespace ctrain::cuda {
namespace {

constexpr unsigned all = ~0U;

template <typename... Parameters, typename... Arguments>
void run(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, Arguments... arguments) {
  launch("a kernel of the tests", kernel, blocks, threads, 0, nullptr, arguments...);
}

__global__ void write_coordinates(int* to) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  ++to[block * blockDim.x * blockDim.y * blockDim.z + thread];
}

TEST_CASE("every thread of every block runs once") {
  std::vector<int> counts(5 * 3 * 2 * 7 * 4 * 3);
  run(write_coordinates, {5, 3, 2}, {7, 4, 3}, counts.data());
  CHECK(counts == std::vector<int>(counts.size(), 1));
}

__global__ void block_sum(const int* x, int* sums) {
  __shared__ int parts[1024];
  parts[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = parts[0];
}

TEST_CASE("barriers order the threads of a block") {
  for (const unsigned threads : {1U, 32U, 256U, 1024U}) {
    std::vector<int> x(3 * threads), sums(3);
    std::iota(x.begin(), x.end(), 1);
    run(block_sum, 3, threads, x.data(), sums.data());
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(sums[i] == std::accumulate(&x[i * threads], &x[i * threads] + threads, 0));
  }
}

__global__ void shuffles(double* to) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  double value = threadIdx.x + 0.5;
  to[0 * blockDim.x + threadIdx.x] = __shfl_xor_sync(all, value, 5);
  to[1 * blockDim.x + threadIdx.x] = __shfl_down_sync(all, value, 3);
  to[2 * blockDim.x + threadIdx.x] = __shfl_up_sync(all, value, 3, 8);
  to[3 * blockDim.x + threadIdx.x] = __shfl_sync(all, value, 9, 16);
  to[4 * blockDim.x + threadIdx.x] = __ballot_sync(all, lane % 3 == 0);
  __syncwarp();
}

TEST_CASE("shuffles bring what the documentation says") {
  constexpr int threads = 96;
  std::vector<double> actual(5 * threads), expected;
  run(shuffles, 1, threads, actual.data());
  const auto expect = [&](auto value) {
    for (int i = 0; i < threads; ++i) expected.push_back(value(i));
  };
  expect([](int i) { return (i ^ 5) + 0.5; });
  expect([](int i) { return (i % 32 + 3 < 32 ? i + 3 : i) + 0.5; });
  expect([](int i) { return (i % 8 >= 3 ? i - 3 : i) + 0.5; });
  expect([](int i) { return i / 16 * 16 + 9 + 0.5; });
  expect([](int) { return 0x49249249; });
  CHECK(actual == expected);
}

__global__ void ended_threads(int* to) {
  if (threadIdx.x >= 40) return;
  __syncthreads();
  to[threadIdx.x] = 1;
}

TEST_CASE("a barrier does not wait for threads that have ended") {
  std::vector<int> reached(64);
  run(ended_threads, 1, 64, reached.data());
  CHECK(std::accumulate(reached.begin(), reached.end(), 0) == 40);
}

__global__ void missing_barrier(int* to) {
  __shared__ int value;
  if (threadIdx.x == 0) value = static_cast<int>(blockIdx.x);
  to[blockIdx.x * blockDim.x + threadIdx.x] = value;
}

TEST_CASE("a missing barrier makes runs differ") {
  bool differs = false;
  std::vector<int> first(128), again(128);
  run(missing_barrier, 2, 64, first.data());
  for (int i = 0; i < 20; ++i) {
    run(missing_barrier, 2, 64, again.data());
    differs = differs || again != first;
  }
  CHECK(differs);
}

__global__ void divergent_barriers() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void barrier_and_shuffle() {
  if (threadIdx.x == 0) {
    __syncthreads();
  } else {
    __syncwarp();
  }
}
__global__ void absent_lane(int* to) {
  if (threadIdx.x < 16) *to = __shfl_xor_sync(all, 1, 16);
}
__global__ void lane_outside_its_mask() { __syncwarp(0xffff); }
__global__ void nothing() {}

TEST_CASE("what a device leaves undefined is an error") {
  using Catch::Matchers::Contains;
  int value = 0;
  CHECK_THROWS_WITH(run(divergent_barriers, 1, 64), Contains("stand at") && Contains("emulator_test.cpp"));
  CHECK_THROWS_WITH(run(barrier_and_shuffle, 1, 64), Contains("threads wait for ever") && Contains("warp 0"));
  CHECK_THROWS_WITH(run(absent_lane, 1, 32, &value), Contains("is read, but does not take part"));
  CHECK_THROWS_WITH(run(lane_outside_its_mask, 1, 32), Contains("is not in its mask"));
  for (const auto& [blocks, threads] : {std::pair{0U, 32U}, std::pair{1U, 0U}, std::pair{1U, 1025U}})
    CHECK_THROWS_WITH(run(nothing, blocks, threads), Contains("invalid configuration"));
  run(nothing, 2, 1024);  // goes on as if nothing had been
}

// So that the table of tests reaches the epilogues, not only what stands in for them.
TEST_CASE("the stand-in for cuBLASLt takes fused products, at extents that the library can take") {
  const LibraryQuery& takes = Registry<LibraryQuery>::instance().get("cublasLt");
  for (const Extents& extents : {Extents{{{'b'}, 2}, {{'s'}, 8}, {{'h'}, 64}, {{'f'}, 40}},
                                 Extents{{{'b'}, 2}, {{'s'}, 8}, {{'h'}, 63}, {{'f'}, 41}}})
    for (const testing::FusedCase& fused : testing::product_cases(extents)) {
      INFO(fused.op << ", h=" << extents.at({'h'}));
      const bool is_plain = fused.op == "linear" || fused.op == "linear_residual";
      CHECK(takes(fused.node(DType::bf16)) == (is_plain || extents.at({'h'}) % 8 == 0));
    }
}

}  // namespace
}  // namespace ctrain::cuda
