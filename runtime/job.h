// A job: what a configuration makes, shared by all ranks of a process: the model, the opened and checked data sets, the
// schedule of the learning rate. Opening one finds every problem that can be found before ranks start.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/config/load.h"
#include "runtime/data/dataset.h"
#include "runtime/data/sampler.h"
#include "runtime/data/transform_pipeline.h"
#include "runtime/lr_schedulers.h"
#include "runtime/plan.h"

namespace ctrain {

// One split of the data with its transforms and batching.
struct DataSplit {
  std::unique_ptr<Dataset> dataset;
  std::unique_ptr<TransformPipeline> pipeline;
  SamplerOptions sampler;
  int workers = 1;         // threads of each rank that decode; 0: the rank's own
  int prefetch_depth = 2;  // batches ahead; 0 without workers
  bool pin_memory = false;
};

struct Job {
  Configuration configuration;
  JobOptions options;
  DataSplit train;
  std::unique_ptr<DataSplit> test;  // nullptr where there is no test_data
  double base_lr = 0;
  std::int64_t epochs = 1, steps_per_epoch = 1, total_steps = 1;

  // Of the optimizer step with this number, counted from 0.
  [[nodiscard]] double learning_rate(std::int64_t step) const;

  LrSchedule schedule;  // empty: constant
  bool schedule_by_epoch = false;
};

// The model and how it is trained, which the configuration says alone: no data is opened.
[[nodiscard]] JobOptions job_options(const Configuration& configuration);

// What takes long is shown on the logger's console (nullptr: it is not).
[[nodiscard]] std::unique_ptr<Job> open_job(Configuration configuration, const Logger* logger = nullptr);

}  // namespace ctrain
