// The rows of the table in schema.h, by family; read them through components_of().
#pragma once

#include <vector>

#include "runtime/config/schema.h"

namespace ctrain {

const std::vector<Component>& model_components();             // schema_models.cpp
const std::vector<Component>& dataset_components();           // schema_data.cpp
const std::vector<Component>& transform_components();         // schema_data.cpp
const std::vector<Component>& optimizer_components();         // schema_training.cpp
const std::vector<Component>& lr_scheduler_components();      // schema_training.cpp
const std::vector<Component>& loss_components();              // schema_training.cpp
const std::vector<Component>& hook_components();              // schema_training.cpp
const std::vector<Component>& gradient_handler_components();  // registered: runtime/gradient_handler.h

}  // namespace ctrain
