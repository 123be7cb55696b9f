// For benchmarks: device memory full of numbers that are no zeros, with which some chips run faster than with others.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "memory/device.h"
#include "ops/narrow_floats.h"
#include "ops/philox.h"

namespace ctrain {

// Real numbers are uniform between -1 and 1; integers are 0 and 1, which every vocabulary has.
inline Buffer device_numbers(Device& device, Stream& stream, std::int64_t count, DType dtype) {
  constexpr std::int64_t period = 65536;
  const auto size = static_cast<std::size_t>(size_of(dtype));
  std::vector<std::byte> numbers(static_cast<std::size_t>(count) * size);
  with_type(dtype, [&]<typename T>(T) {
    for (std::int64_t i = 0; i < std::min(count, period); ++i) {
      const double uniform = 2 * random_uniform(7, static_cast<std::uint64_t>(i));
      reinterpret_cast<T*>(numbers.data())[i] = static_cast<T>(std::is_integral_v<T> ? uniform : uniform - 1);
    }
  });
  for (std::size_t done = static_cast<std::size_t>(period) * size; done < numbers.size(); done *= 2)
    std::memcpy(numbers.data() + done, numbers.data(), std::min(done, numbers.size() - done));
  Buffer buffer(device, numbers.size());
  device.upload(buffer.data(), numbers.data(), numbers.size(), stream);
  stream.synchronize();
  return buffer;
}

}  // namespace ctrain
