// The GPU of the emulated program: memory of the host, under the name by which GPUs are known.
#include "tests/support/heap_device.h"

namespace ctrain::testing {
namespace {

const Registration<DeviceKind> registration("cuda", {.count = [] { return 1; },
                                                     .make = [](int) { return std::make_unique<HeapDevice>(); },
                                                     .describe = [](int) { return DeviceDescription(); },
                                                     .driver = [] { return std::string(); }});

}  // namespace
}  // namespace ctrain::testing
