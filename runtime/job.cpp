#include "runtime/job.h"

#include <algorithm>

#include "memory/error.h"
#include "parallel/tensor/layout_wish.h"
#include "runtime/config/nearest.h"
#include "runtime/pipeline_check.h"

namespace ctrain {
namespace {

std::unique_ptr<DataSplit> open_split(const Setting& data, const std::string& key, std::int64_t batch,
                                      std::uint64_t seed, const Logger* logger) {
  auto split = std::make_unique<DataSplit>();
  const Setting &dataset = data["dataset"], &loader = data["dataloader"];
  split->dataset = open_dataset(dataset, key + ".dataset", logger);
  split->pipeline = std::make_unique<TransformPipeline>(*split->dataset, dataset, key + ".dataset", seed);
  split->workers = static_cast<int>(loader["num_workers"].integer());
  split->prefetch_depth = split->workers == 0 ? 0 : std::max(2, split->workers);
  split->pin_memory = loader["pin_memory"].boolean();
  split->sampler = {batch, loader["shuffle"].boolean(), loader["drop_last"].boolean(), seed};
  return split;
}

bool is_model(const Setting& root, std::string_view type) { return root["model"]["type"].text() == type; }

// What the model takes: of a language model, sequences as long as the training data's.
SampleShape sample_of(const Setting& root) {
  const Setting& model = root["model"];
  if (is_model(root, "gpt2")) return {{root.at("train_data.dataset.seq_len").integer()}};
  if (is_model(root, "mlp")) return {{model["dims"].list().front().integer()}};
  const std::int64_t side = model["img_size"].integer();
  return {{model["in_channels"].integer(), side, side}};
}

// Classes that it tells apart, or numbers that it predicts.
std::int64_t outputs_of(const Setting& root) {
  const Setting& model = root["model"];
  if (is_model(root, "gpt2")) return model["vocab_size"].integer();
  return is_model(root, "mlp") ? model["dims"].list().back().integer() : model["num_classes"].integer();
}

bool wants_labels(const Setting& root) { return root["loss"]["type"].text() == "CrossEntropyLoss"; }

// The data must be what the model takes and the loss compares with (that both have tokens, or neither, is checked).
void check_data(const Setting& root, const DataSplit& split, const std::string& key) {
  Problems problems;
  const Setting& model = root["model"];
  const Setting& dataset = root[key]["dataset"];
  const SampleShape wanted = sample_of(root);
  const std::vector<std::int64_t>& shape = split.pipeline->output_shape();
  const std::string shape_text = fmt::format("[{}]", fmt::join(shape, ", "));
  if (is_model(root, "mlp")) {
    if (element_count(shape) != wanted.elements())
      problems.add(dataset.location(), key + ".dataset", shape_text,
                   fmt::format("{} numbers, the first of model.dims", wanted.elements()));
  } else if (shape != wanted.extents) {
    const char* what = is_model(root, "vit") ? "images [{}], as model.in_channels and model.img_size say"
                                             : "sequences of {} tokens, as in train_data";
    problems.add(dataset.location(), key + ".dataset", shape_text,
                 fmt::format(fmt::runtime(what), fmt::join(wanted.extents, ", ")));
  }
  const std::int64_t outputs = outputs_of(root);
  const DatasetFacts& facts = split.dataset->facts();
  if (wants_labels(root) != split.dataset->has_labels()) {
    problems.add(root["loss"].location(), "loss", root["loss"]["type"].text(),
                 wants_labels(root) ? "MSELoss, since " + key + " has float targets"
                                    : "CrossEntropyLoss, since " + key + " has class labels");
  } else if (wants_labels(root) && facts.num_classes > outputs) {
    problems.add(model.location(), "model", std::to_string(outputs),
                 fmt::format("at least {} classes: {} has that many", facts.num_classes, key));
  } else if (!wants_labels(root) && element_count(facts.target_shape) != outputs) {
    problems.add(model.location(), "model", std::to_string(outputs),
                 fmt::format("{} outputs: the targets of {} have that many", element_count(facts.target_shape), key));
  }
  problems.throw_if_any();
}

OptimizerOptions optimizer_options(const Setting& optimizer) {
  OptimizerOptions options;
  options.weight_decay = optimizer["weight_decay"].real();
  if (optimizer["type"].text() == "SGD") {
    options.momentum = optimizer["momentum"].real();
    return options;
  }
  options.kind = OptimizerOptions::Kind::adam;
  options.beta1 = optimizer["betas"].list()[0].real();
  options.beta2 = optimizer["betas"].list()[1].real();
  options.epsilon = optimizer["eps"].real();
  options.decoupled = optimizer["type"].text() == "AdamW";
  return options;
}

LossOptions loss_options(const Setting& loss) {
  LossOptions options;
  if (loss["type"].text() == "MSELoss") {
    options.kind = LossOptions::Kind::mean_squared_error;
  } else {
    options.label_smoothing = loss["label_smoothing"].real();
    options.ignore_index = static_cast<std::int32_t>(loss["ignore_index"].integer());
  }
  return options;
}

// The configuration's wanted layouts; each must fit a parameter and divide it.
std::vector<LayoutWish> layout_wishes(const Setting& root, const JobOptions& options, Problems& problems) {
  std::vector<LayoutWish> wishes;
  if (root["layout"].members().empty()) return wishes;
  const StepGraph step = build_step(*options.model, {true, options.sample, options.target}, options.global_batch,
                                    options.precision(), options.loss, options.optimizer);
  const Mode mode = mode_of(options);
  const Dimensions dimensions = mode.dimensions(*step.graph);
  for (const auto& [pattern, entry] : root["layout"].members()) {
    const Setting& split = entry["split"];
    const LayoutWish wish{pattern,
                          split.is_null() ? std::nullopt : std::optional<int>(static_cast<int>(split.integer()))};
    bool fits = false;
    for (const Value* parameter : step.graph->parameters()) {
      if (!fits_pattern(parameter->name, pattern)) continue;
      fits = true;
      try {
        (void)wished_layout(wish, *parameter, mode, dimensions);
      } catch (const Error& error) {
        problems.refuse(split, "layout." + pattern + ".split", error.what());
        break;
      }
    }
    if (!fits) {
      std::vector<std::string> names;
      for (const Value* parameter : step.graph->parameters()) names.push_back(parameter->name);
      problems.add(entry.key_location(), "layout", pattern, "a pattern that fits a parameter's name",
                   nearest(pattern, names));
    }
    wishes.push_back(wish);
  }
  return wishes;
}

void make_schedule(Job& job, const Setting& root) {
  if (!root.has("lr_scheduler")) return;
  const Setting& scheduler = root["lr_scheduler"];
  job.schedule_by_epoch = scheduler.has("by_epoch") && scheduler["by_epoch"].boolean();
  const std::int64_t run_length = job.schedule_by_epoch ? job.epochs : job.total_steps;
  const std::int64_t length = scheduler.has("total_steps") ? scheduler["total_steps"].integer() : run_length;
  job.schedule =
      Registry<LrSchedulerType>::instance().get(scheduler["type"].text()).make(job.base_lr, length, scheduler);
}

}  // namespace

double Job::learning_rate(std::int64_t step) const {
  if (!schedule) return base_lr;
  return schedule(schedule_by_epoch ? step / steps_per_epoch : step);
}

JobOptions job_options(const Configuration& config) {
  const Setting& root = config.root;
  JobOptions options;
  options.model = Registry<ModelFactory>::instance().get(root["model"]["type"].text())(root["model"]);
  options.sample = sample_of(root);
  options.target.labels = wants_labels(root);
  options.loss = loss_options(root["loss"]);
  options.optimizer = optimizer_options(root["optimizer"]);
  options.gradient_handlers = root["gradient_handler"].list();
  options.tensor_mode = config.tensor_mode;
  options.data = config.data;
  options.tensor = config.tensor;
  options.depth = config.depth;
  options.pipeline = config.pipeline;
  options.accumulation = config.accumulation;
  options.global_batch = config.global_batch;
  options.real = root["dtype"].text() == "fp64" ? DType::f64 : DType::f32;
  if (root.has("mixed_precision")) options.mixed_precision = real_type(root["mixed_precision"].text());
  options.seed = static_cast<std::uint64_t>(root["SEED"].integer());
  options.evaluation = root.has("test_data");
  options.record = root["cuda_graph"].boolean();
  options.allow_tf32 = root["allow_tf32"].boolean();
  Problems problems;
  options.layout = layout_wishes(root, options, problems);
  check_pipeline(root, options, problems);
  problems.throw_if_any();
  return options;
}

std::unique_ptr<Job> open_job(Configuration configuration, const Logger* logger) {
  auto job = std::make_unique<Job>();
  job->configuration = std::move(configuration);
  const Configuration& config = job->configuration;
  const Setting& root = config.root;
  job->options = job_options(config);
  const std::uint64_t seed = job->options.seed;

  job->train = std::move(*open_split(root["train_data"], "train_data", job->options.samples_per_step(), seed, logger));
  check_data(root, job->train, "train_data");
  if (root.has("test_data")) {
    job->test = open_split(root["test_data"], "test_data", config.global_batch, seed, logger);
    check_data(root, *job->test, "test_data");
  }

  job->base_lr = root["optimizer"]["lr"].real();
  job->epochs = root["NUM_EPOCHS"].integer();
  job->steps_per_epoch = Sampler(job->train.dataset->size(), job->train.sampler).steps_per_epoch();
  job->total_steps = job->epochs * job->steps_per_epoch;
  make_schedule(*job, root);
  return job;
}

}  // namespace ctrain
