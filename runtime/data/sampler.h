// Which samples make up a step: a function of (seed, epoch, step) for the whole job. A rank asks for the rows of the
// global batch that it needs, so every mesh sees the same samples in the same order, and a resumed run goes on at any
// step at once.
#pragma once

#include <cstdint>

namespace ctrain {

// A pseudo-random permutation of 0 ... size - 1, evaluated one element at a time: a Feistel network keyed by Philox
// over the next power of four, with cycle walking back into the range (Black and Rogaway, "Ciphers with Arbitrary
// Finite Domains", CT-RSA 2002). Chosen over a shuffled list because it needs neither memory nor time at the start of
// an epoch, and any element is there at once.
class Permutation {
 public:
  Permutation(std::int64_t size, std::uint64_t key);
  [[nodiscard]] std::int64_t operator()(std::int64_t index) const;

 private:
  std::uint64_t size_, key_;
  int half_bits_;  // the network works on numbers of twice as many bits
};

struct SamplerOptions {
  std::int64_t batch_size = 1;  // the global batch: rows of one step over all data-parallel ranks
  bool shuffle = false;
  bool drop_last = false;  // leave out the last step of an epoch where it would not be full
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  // A usage error where an epoch would have no step.
  Sampler(std::int64_t dataset_size, const SamplerOptions& options);

  [[nodiscard]] std::int64_t batch_size() const { return options_.batch_size; }
  [[nodiscard]] std::int64_t steps_per_epoch() const { return steps_per_epoch_; }

  // Rows of the step's global batch that hold a sample: batch_size(), or fewer in a last step that is not full.
  [[nodiscard]] std::int64_t valid_rows(std::int64_t step) const;

  // The samples of one epoch.
  class Epoch {
   public:
    // The sample in `row` of the global batch of `step`; -1, "no sample", from valid_rows(step) on.
    [[nodiscard]] std::int64_t sample(std::int64_t step, std::int64_t row) const;

   private:
    friend class Sampler;
    Epoch(const Sampler& sampler, Permutation order) : sampler_(sampler), order_(order) {}
    const Sampler& sampler_;
    Permutation order_;
  };
  [[nodiscard]] Epoch epoch(std::int64_t number) const;

 private:
  std::int64_t size_;
  SamplerOptions options_;
  std::int64_t steps_per_epoch_;
};

}  // namespace ctrain
