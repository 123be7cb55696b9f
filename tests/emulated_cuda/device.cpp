// The GPU of the emulated program: memory of the host, under the name by which GPUs are known.
#include "tests/support/heap_device.h"

namespace ctrain::testing {
namespace {

const Registration<DeviceKind> registration("cuda",
                                            {[] { return 1; }, [](int) { return std::make_unique<HeapDevice>(); }});

}  // namespace
}  // namespace ctrain::testing
