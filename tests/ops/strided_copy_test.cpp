// Copies along nested loops, in pieces of every alignment: each device's against the host's.
#include "ops/strided_copy.h"

#include <catch2/catch.hpp>

#include "tests/support/evaluate.h"

namespace ctrain::testing {
namespace {

TEST_CASE("a device copies along strides what the host does") {
  if (!has_device(Backend::cuda)) return;
  constexpr std::int64_t elements = 4096;
  const std::vector<StridedCopy> copies{{{{3, 640, 160}, {5, 64, 32}, {32, 1, 1}}, 0, 0},  // pieces of whole vectors
                                        {{{3, 640, 160}, {5, 64, 32}, {32, 1, 1}}, 8, 4},  // that begin anywhere
                                        {{{3, 640, 160}, {5, 64, 32}, {32, 1, 1}}, 2, 6},
                                        {{{3, 640, 160}, {5, 64, 32}, {31, 1, 1}}, 0, 1},
                                        {{{4, 514, 34}, {34, 1, 1}}, 0, 0},
                                        {{{16, 1, 24}, {24, 16, 1}}, 0, 0},  // a transposition
                                        {{{100, 1, 1}}, 4, 4},
                                        {{{0, 8, 8}, {8, 1, 1}}, 0, 0}};
  for (const DType type : {DType::f32, DType::bf16})
    for (std::size_t i = 0; i < copies.size(); ++i) {
      INFO(name_of(type) << ", copy " << i);
      const Operand operand{"h", type, {elements}};
      const auto copied = [&](Backend backend) {
        Device& device = device_of(backend);
        const auto stream = device.make_stream();
        OperandMemory from(operand, device, *stream), to(operand, device, *stream);
        Tensor numbers;
        for (std::int64_t j = 0; j < elements; ++j) numbers.push_back(static_cast<double>(j % 251));
        from.write(numbers);
        to.write(Tensor(elements, -1));
        strided_copy_of(backend)(copies[i], size_of(type), from.data(), to.data(), stream->native());
        return to.read();
      };
      CHECK(copied(Backend::cuda) == copied(Backend::cpu));
    }
}

}  // namespace
}  // namespace ctrain::testing
