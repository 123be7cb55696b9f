#include "memory/device.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <utility>

#include "memory/error.h"

namespace ctrain {
namespace {

TEST_CASE("Memory of the CPU is aligned and zero", "[device]") {
  const auto device = make_cpu_device();
  for (const std::size_t bytes : {1, 63, 64, 65, 4097}) {
    const Buffer buffer(*device, bytes);
    CHECK(buffer.size() == bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
    CHECK(std::all_of(buffer.data(), buffer.data() + bytes, [](std::byte byte) { return byte == std::byte{0}; }));
  }
  CHECK(Buffer(*device, 0).data() == nullptr);
}

TEST_CASE("A buffer's memory moves with it", "[device]") {
  const auto device = make_cpu_device();
  Buffer first(*device, 10);
  std::byte* const place = first.data();
  Buffer second(std::move(first));
  CHECK(second.data() == place);
  Buffer third(*device, 20);
  third = std::move(second);
  CHECK(third.data() == place);
  CHECK(third.size() == 10);
}

TEST_CASE("Copies to and from the device are there when their stream is done", "[device]") {
  const auto device = make_cpu_device();
  const auto stream = device->make_stream();
  const auto event = device->make_event();
  const Buffer buffer(*device, sizeof(int) * 3);
  const int sent[3] = {1, -2, 3};
  int received[3] = {};
  device->upload(buffer.data(), sent, sizeof(sent), *stream);
  stream->record(*event);
  stream->wait(*event);
  device->download(received, buffer.data(), sizeof(received), *stream);
  stream->synchronize();
  CHECK(std::equal(std::begin(sent), std::end(sent), std::begin(received)));
}

TEST_CASE("Out of memory names the number of bytes", "[device]") {
  const auto device = make_cpu_device();
  const auto ask = [&] { return device->allocate(std::size_t{1} << 62); };
  CHECK_THROWS_WITH(ask(), Catch::Contains("out of memory") && Catch::Contains("4611686018427387904"));
}

}  // namespace
}  // namespace ctrain
