// What a rank's program wants of a global batch, and the buffers in which it gets it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/dtype.h"
#include "ops/kernel.h"

namespace ctrain {

enum class FeedField {
  images,   // the model's input: [rows, channels, height, width], or [rows, features] of a dataset of flat vectors
  tokens,   // the model's input of a dataset of token sequences: [rows, tokens]
  labels,   // class labels, or 0 where the samples have float targets instead; -1 where there is no sample: [rows], or
            // [rows, tokens]: the token that comes next
  targets,  // float targets: [rows, target shape ...]
};

// Rows start ... start + length - 1 of the global batch, in one contiguous buffer. Rows behind its end are padding (a
// mesh that the batch does not divide by): they have no sample.
struct Feed {
  FeedField field;
  std::int64_t start = 0, length = 0;
  DType type = DType::f32;          // i32 for tokens and labels, f32 or f64 for images and targets
  Segments tokens = {};             // which of a row's tokens, in this order, where it has tokens; padding is -1
  std::int32_t ignored_label = -1;  // becomes -1

  [[nodiscard]] bool holds(std::int64_t row) const { return row >= start && row < start + length; }
};

// One step's data for one rank. Rows without a sample (the last batch of an epoch may be short) are zeros with label
// -1.
struct Batch {
  std::int64_t epoch = 0, step = 0;  // the step within the epoch, from 0
  std::int64_t valid = 0;            // rows of the *global* batch that hold a sample; they come first

  // The data of feed `i`, in the order in which feeds were asked for; T is the feed's type.
  template <typename T>
  [[nodiscard]] const T* data(std::size_t i) const {
    return reinterpret_cast<const T*>(buffers[i].data());
  }
  template <typename T>
  [[nodiscard]] T* data(std::size_t i) {
    return reinterpret_cast<T*>(buffers[i].data());
  }

  struct alignas(64) CacheLine {
    std::byte bytes[64];
  };
  [[nodiscard]] static std::size_t lines_of(std::size_t bytes) {
    return (bytes + sizeof(CacheLine) - 1) / sizeof(CacheLine);
  }
  std::vector<std::vector<CacheLine>> buffers;  // one per feed, aligned for the widest vector instructions
};

}  // namespace ctrain
