// Gradient handlers: what becomes of a gradient between the backward pass and the optimizer, as ops of the logical
// graph. Sums over ranks are no handler's business: a gradient is a logical tensor, and its layout says what is summed
// where. A handler of one's own registers itself from its file; configurations name it under `gradient_handler`.
#pragma once

#include <functional>
#include <vector>

#include "memory/registry.h"
#include "ops/graph.h"
#include "runtime/config/schema.h"

namespace ctrain {

struct GradientHandler {
  Component component;  // its name, what it does, and its arguments, for the configuration
  // Returns the gradient that goes on: `gradient` itself, or a new value of the same dimensions.
  std::function<Value*(const Setting& arguments, Value* parameter, Value* gradient)> handle;
};

using GradientHandlers = Registry<GradientHandler>;

struct GradientHandlerRegistration : Registration<GradientHandler> {
  explicit GradientHandlerRegistration(const GradientHandler& handler)
      : Registration(handler.component.type, handler) {}
};

// `gradient` after all of the configured handlers, in their order.
[[nodiscard]] Value* handle_gradient(const std::vector<Setting>& handlers, Value* parameter, Value* gradient);

}  // namespace ctrain
