// The whole step as one logical graph: forward, loss, backward, optimizer updates, metrics. The partition pass makes a
// rank's program of it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "ops/autodiff.h"
#include "runtime/models/model.h"

namespace ctrain {

struct LossOptions {
  enum class Kind { cross_entropy, mean_squared_error };
  Kind kind = Kind::cross_entropy;
  double label_smoothing = 0;
  std::int32_t ignore_index = -100;  // samples with this label do not count, nor do those with a negative one
};

struct OptimizerOptions {
  enum class Kind { sgd, adam };
  Kind kind = Kind::sgd;
  double momentum = 0;                                // sgd
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // adam
  bool decoupled = false;                             // adam: AdamW's decay
  double weight_decay = 0;
};

struct StepGraph {
  std::unique_ptr<Graph> graph;
  Value* loss = nullptr;              // mean over the valid samples of the global batch
  Value* count = nullptr;             // valid samples
  Value* correct = nullptr;           // of those, rightly classified; nullptr where there are no classes
  Value* gradient_squares = nullptr;  // squared norm of all gradients; nullptr in evaluation
  Gradients gradients;
  std::int32_t ignore_index = -1;  // of the labels
  [[nodiscard]] std::vector<Value*> metrics() const;
};

// `options.training` decides between a training step and an evaluation (forward, loss and metrics only).
[[nodiscard]] StepGraph build_step(const Model& model, const ModelOptions& options, std::int64_t global_batch,
                                   const Precision& precision, const LossOptions& loss,
                                   const OptimizerOptions& optimizer,
                                   const std::vector<Setting>& gradient_handlers = {});

}  // namespace ctrain
