// Models, written once for one device: a builder appends the forward pass to a logical graph. No model file mentions a
// rank, a group or a parallel mode. One file per model, which registers itself by the name that configs use.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "memory/registry.h"
#include "ops/graph.h"
#include "runtime/config/setting.h"

namespace ctrain {

// What a data set's samples look like.
struct SampleShape {
  std::vector<std::int64_t> extents;  // [channels, height, width] of images, [features] or [tokens]
  [[nodiscard]] std::int64_t elements() const;
};

// What the samples are compared with.
struct TargetShape {
  bool labels = true;  // class labels; otherwise vectors of numbers, as many as the model's outputs
};

struct ModelOptions {
  bool training = true;  // dropout and drop path are left out of evaluation
  SampleShape sample;
  TargetShape target;
};

class Model {
 public:
  virtual ~Model() = default;
  // Appends the forward pass; creates the input "images" [b, ...] or "tokens" [b, s]. The graph's extent of b is set.
  // Sets the graph's blocks (Graph::set_block).
  // Returns the logits or predictions [b, classes or features] or [b, s, vocabulary].
  [[nodiscard]] virtual Value* build(Graph& graph, const ModelOptions& options) const = 0;
};

// Above so many classes a classifier splits them as a mode splits a vocabulary (the documents'
// VocabParallelClassifier); fewer lie whole on every rank.
constexpr std::int64_t vocabulary_parallel_limit = 2048;

using ModelFactory = std::function<std::unique_ptr<Model>(const Setting& model)>;
using ModelRegistration = Registration<ModelFactory>;

}  // namespace ctrain
