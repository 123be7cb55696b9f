#include "ops/dtype.h"

#include "memory/error.h"

namespace ctrain {

DType real_type(std::string_view name) {
  for (const DType type : {DType::f32, DType::f64, DType::bf16, DType::f16})
    if (name_of(type) == name) return type;
  throw running_error("no real element type '{}'", name);
}

}  // namespace ctrain
