#include "runtime/gradient_handler.h"

#include "runtime/config/schema_tables.h"

namespace ctrain {
namespace {

Value* unchanged(const Setting&, Value*, Value* gradient) { return gradient; }

// The documents' handlers for what layouts already say.
const GradientHandlerRegistration data_parallel(
    {{"DataParallelGradientHandler", "sums over data-parallel ranks, which takes place without it", {}}, unchanged});
const GradientHandlerRegistration sequence_parallel(
    {{"SequenceParallelGradientHandler", "sums over sequence-parallel ranks, which takes place without it", {}},
     unchanged});

}  // namespace

Value* handle_gradient(const std::vector<Setting>& handlers, Value* parameter, Value* gradient) {
  for (const Setting& arguments : handlers) {
    const GradientHandler& handler = GradientHandlers::instance().get(arguments["type"].text());
    Value* handled = handler.handle(arguments, parameter, gradient);
    require(handled->dims == gradient->dims, "{} makes {} of the gradient {} of {}", handler.component.type,
            handled->dims.text(), gradient->dims.text(), parameter->name);
    if (handled != gradient) handled->like = parameter;
    gradient = handled;
  }
  return gradient;
}

const std::vector<Component>& gradient_handler_components() {
  static const std::vector<Component> components = [] {
    std::vector<Component> result;
    for (const std::string& name : GradientHandlers::instance().names())
      result.push_back(GradientHandlers::instance().get(name).component);
    for (const char* type : {"ZeROGradientHandler", "PipelineSharedModuleGradientHandler", "MoeGradientHandler"})
      result.push_back(later_component(type));
    return result;
  }();
  return components;
}

}  // namespace ctrain
