// Runs CUDA kernels on the CPU, one block after the other. A block's threads are fibers of the calling thread: each
// runs until it waits for others, so that barriers and shuffles mean what they mean on a device. What a device would
// leave undefined is an error here that names the place in the kernel: threads that wait for each other for ever or at
// different barriers, and values read from a lane that does not take part. The order of blocks and of threads changes
// from launch to launch: where a barrier is missing, two runs differ.
#pragma once

#include <array>
#include <cstdint>
#include <source_location>

#include <vector_types.h>

namespace emulated_cuda {

constexpr unsigned warp_size = 32, most_threads = 1024;

using Place = std::source_location;  // of a barrier or a shuffle in a kernel's source

// What the lanes of a warp have put together.
struct Exchange {
  std::uint32_t lanes = 0;  // those that take part
  std::array<std::uint64_t, warp_size> values{};
};

// Calls thread(arguments) once per thread of every block. Throws what goes wrong in them.
void run_grid(dim3 grid, dim3 block, void (*thread)(const void*), const void* arguments);

// The following are for the threads of a grid.
void wait_for_block(const Place& place);
// Waits until all lanes of `mask` that have not ended are here, with a value each.
const Exchange& exchange(std::uint32_t mask, std::uint64_t value, const Place& place);
// One lane's value; an error where that lane did not take part.
std::uint64_t value_of_lane(const Exchange& exchanged, unsigned lane, const Place& place);

}  // namespace emulated_cuda

// CUDA's names for a thread's coordinates: set whenever a fiber goes on.
inline thread_local uint3 threadIdx, blockIdx;
inline thread_local dim3 blockDim, gridDim;
