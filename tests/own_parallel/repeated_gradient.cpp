// A gradient handler of one's own: the optimizer takes the gradient so many times over.
#include "ops/build.h"
#include "runtime/gradient_handler.h"

namespace ctrain {
namespace {

Value* handle(const Setting& arguments, Value*, Value* gradient) {
  return add(std::vector<Value*>(static_cast<std::size_t>(arguments["times"].integer()), gradient));
}

const GradientHandlerRegistration registration(
    {{"RepeatedGradientHandler", "gradients several times over", {{"times", integer(2), "2", "how many times"}}},
     handle});

}  // namespace
}  // namespace ctrain
