// Fills the buffers of a batch: reads, decodes and transforms the samples of the rows that any feed holds. A sample is
// worked on once, however many feeds hold its row, and images are not touched where only labels are asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/data/feed.h"
#include "runtime/data/sampler.h"
#include "runtime/data/transform_pipeline.h"

namespace ctrain {

// Of one thread at a time. The dataset and the pipeline must outlive it.
class BatchAssembler {
 public:
  // An internal error where a feed begins before the global batch, asks for float targets of a dataset of labels, or
  // has a type that does not go with its field.
  BatchAssembler(const Dataset& dataset, const TransformPipeline& pipeline, const SamplerOptions& options,
                 std::vector<Feed> feeds);

  [[nodiscard]] const Sampler& sampler() const { return sampler_; }
  [[nodiscard]] const std::vector<Feed>& feeds() const { return feeds_; }

  [[nodiscard]] Batch make_batch() const;  // with buffers of the right sizes

  // Writes the data of `step` of `epoch`; step < steps_per_epoch().
  void fill(Batch& batch, std::int64_t epoch, std::int64_t step);

 private:
  [[nodiscard]] std::int64_t row_elements(const Feed& feed) const;
  [[nodiscard]] bool wants(FeedField field, std::int64_t row) const;
  void read(std::int64_t epoch, std::int64_t sample, std::int64_t row);
  void write(Batch& batch, std::size_t feed, std::int64_t sample, std::int64_t row) const;
  void write_integers(const Feed& feed, std::int64_t sample, std::int32_t* to) const;
  template <typename Real>
  void write_reals(const Feed& feed, std::int64_t sample, std::span<Real> to) const;

  const Dataset& dataset_;
  const TransformPipeline& pipeline_;
  Sampler sampler_;
  std::vector<Feed> feeds_;
  std::vector<std::int64_t> rows_;  // that some feed holds, ascending

  // Of the sample being worked on.
  TransformPipeline::Workspace workspace_;
  std::vector<float> values_, target_;
  std::vector<std::int32_t> tokens_;
};

}  // namespace ctrain
