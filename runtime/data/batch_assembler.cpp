#include "runtime/data/batch_assembler.h"

#include <algorithm>
#include <set>

namespace ctrain {

BatchAssembler::BatchAssembler(const Dataset& dataset, const TransformPipeline& pipeline, const SamplerOptions& options,
                               std::vector<Feed> feeds)
    : dataset_(dataset), pipeline_(pipeline), sampler_(dataset.size(), options), feeds_(std::move(feeds)) {
  std::set<std::int64_t> rows;
  for (const Feed& feed : feeds_) {
    require(feed.start >= 0 && feed.length >= 0, "a feed of {} rows from row {}", feed.length, feed.start);
    const bool integers = feed.field == FeedField::labels || feed.field == FeedField::tokens;
    require(integers == (feed.type == DType::i32), "tokens and labels are int32, other feeds are not");
    require(size_of(feed.type) >= 4, "images come in fp32 or fp64, not in {}", name_of(feed.type));
    require(feed.field != FeedField::targets || !dataset.has_labels(), "the dataset has labels, not float targets");
    for (std::int64_t row = feed.start; row < feed.start + feed.length; ++row) rows.insert(row);
  }
  rows_.assign(rows.begin(), rows.end());
  if (dataset.facts().form == InputForm::values)
    values_.resize(static_cast<std::size_t>(element_count(pipeline_.output_shape())));
  if (!dataset.has_labels()) target_.resize(static_cast<std::size_t>(element_count(dataset_.facts().target_shape)));
  if (dataset.facts().form == InputForm::tokens)
    tokens_.resize(static_cast<std::size_t>(dataset.facts().input_shape.at(0)) + 1);
}

Batch BatchAssembler::make_batch() const {
  Batch batch;
  for (const Feed& feed : feeds_) {
    const std::size_t bytes = static_cast<std::size_t>(feed.length * row_elements(feed)) * size_of(feed.type);
    batch.buffers.emplace_back(Batch::lines_of(bytes));
  }
  return batch;
}

void BatchAssembler::fill(Batch& batch, std::int64_t epoch, std::int64_t step) {
  batch.epoch = epoch;
  batch.step = step;
  batch.valid = sampler_.valid_rows(step);
  const Sampler::Epoch order = sampler_.epoch(epoch);
  for (const std::int64_t row : rows_) {
    const std::int64_t sample = order.sample(step, row);
    if (sample >= 0) read(epoch, sample, row);
    for (std::size_t i = 0; i < feeds_.size(); ++i) {
      if (feeds_[i].holds(row)) write(batch, i, sample, row);
    }
  }
}

std::int64_t BatchAssembler::row_elements(const Feed& feed) const {
  switch (feed.field) {
    case FeedField::images:
      return element_count(pipeline_.output_shape());
    case FeedField::tokens:
      return feed.tokens.length();
    case FeedField::labels:
      return std::max<std::int64_t>(feed.tokens.length(), 1);
    case FeedField::targets:
      return element_count(dataset_.facts().target_shape);
  }
  return 0;
}

bool BatchAssembler::wants(FeedField field, std::int64_t row) const {
  return std::any_of(feeds_.begin(), feeds_.end(),
                     [&](const Feed& feed) { return feed.field == field && feed.holds(row); });
}

void BatchAssembler::read(std::int64_t epoch, std::int64_t sample, std::int64_t row) {
  if (wants(FeedField::images, row)) {
    if (dataset_.facts().form == InputForm::pixels) {
      dataset_.read_image(sample, workspace_.image);
      pipeline_.transform(workspace_, static_cast<std::uint64_t>(epoch), sample);
    } else {
      dataset_.read_values(sample, values_);
    }
  }
  if (dataset_.facts().form == InputForm::tokens) dataset_.read_tokens(sample, tokens_);
  if (wants(FeedField::targets, row)) dataset_.read_target(sample, target_);
}

void BatchAssembler::write(Batch& batch, std::size_t feed, std::int64_t sample, std::int64_t row) const {
  const Feed& asked = feeds_[feed];
  const std::int64_t elements = row_elements(asked), offset = (row - asked.start) * elements;
  switch (asked.type) {
    case DType::i32:
      write_integers(asked, sample, batch.data<std::int32_t>(feed) + offset);
      break;
    case DType::f32:
      write_reals(asked, sample, std::span(batch.data<float>(feed) + offset, static_cast<std::size_t>(elements)));
      break;
    case DType::f64:
      write_reals(asked, sample, std::span(batch.data<double>(feed) + offset, static_cast<std::size_t>(elements)));
      break;
    case DType::bf16:
    case DType::f16:
      break;  // refused when the feed was asked for
  }
}

void BatchAssembler::write_integers(const Feed& feed, std::int64_t sample, std::int32_t* to) const {
  const bool is_label = feed.field == FeedField::labels;
  const auto heed = [&](std::int32_t label) { return is_label && label == feed.ignored_label ? -1 : label; };
  if (tokens_.empty()) {
    *to = sample < 0 ? -1 : dataset_.has_labels() ? heed(dataset_.label(sample)) : 0;
    return;
  }
  const std::int64_t shift = is_label ? 1 : 0, extent = dataset_.facts().input_shape[0];
  for (std::int64_t i = 0; i < feed.tokens.length(); ++i) {
    const std::int64_t token = feed.tokens.logical(i);
    to[i] = sample < 0 || token >= extent ? -1 : heed(tokens_[static_cast<std::size_t>(token + shift)]);
  }
}

template <typename Real>
void BatchAssembler::write_reals(const Feed& feed, std::int64_t sample, std::span<Real> to) const {
  if (sample < 0) {
    std::fill(to.begin(), to.end(), Real{0});
  } else if (feed.field == FeedField::targets) {
    std::copy(target_.begin(), target_.end(), to.begin());
  } else if (dataset_.facts().form == InputForm::pixels) {
    pipeline_.to_tensor(workspace_.image, to);
  } else {
    std::copy(values_.begin(), values_.end(), to.begin());
  }
}

}  // namespace ctrain
