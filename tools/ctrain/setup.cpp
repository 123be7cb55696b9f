#include "tools/ctrain/setup.h"

#include <algorithm>

#include "memory/error.h"
#include "tools/ctrain/version.h"

namespace ctrain {
namespace {

// The number of ranks, where the command line or a launcher says it.
std::optional<std::int64_t> known_ranks(const Options& options, const std::optional<LauncherEnvironment>& launcher) {
  if (!launcher) return options.ranks;
  if (options.ranks && *options.ranks != launcher->ranks)
    throw usage_error("--ranks {}: expected {}, as {} started (--ranks is for one process without a launcher)",
                      *options.ranks, launcher->ranks, launcher->launcher);
  return launcher->ranks;
}

// "cpu", or the kind of the machine's accelerators.
std::string choose_device(const Options& options) {
  const DeviceKind* cuda = DeviceKinds::instance().find("cuda");
  const int devices = cuda == nullptr ? 0 : cuda->count();
  if (options.device == "cuda" && cuda == nullptr)
    throw usage_error("--device cuda: this build has no CUDA; expected cpu, or a build with the CUDA toolkit");
  if (options.device == "cuda" && devices == 0)
    throw usage_error("--device cuda: there is no GPU, or no driver that fits (`ctrain check -i`); expected cpu");
  const std::string device = options.device == "auto" ? devices > 0 ? "cuda" : "cpu" : options.device;
  if (device == "cpu" && options.backend == "nccl")
    throw usage_error("--backend nccl: expected local, mpi or gloo on the CPU");
  return device;
}

}  // namespace

Setup set_up(const Options& options, const Logger& logger) {
  const std::optional<LauncherEnvironment> launcher = detect_launcher(options.launch);
  const std::string device = choose_device(options);
  Setup setup;
  setup.launch = make_launch(options.backend, launcher);
  setup.launch.policy.timeout = options.timeout;
  setup.launch.policy.warning = std::min(setup.launch.policy.warning, options.timeout / 2);  // always before the end
  setup.launch.policy.warn = [logger](const std::string& message) { logger.warning("{}", message); };

  Configuration configuration =
      load_configuration(options.config, options.overrides, known_ranks(options, launcher), options.recipe);
  setup.launch.ranks = configuration.world_size();
  setup.job = open_job(std::move(configuration), options.show_progress ? &logger : nullptr);
  setup.job->options.device = device;
  if (device != "cpu" && setup.job->options.real == DType::f64)
    throw usage_error("dtype: 'fp64': expected fp32 on {}: fp64 is the host's reference", device);
  if (setup.launch.is_main()) {  // after the last error that comes before ranks: it then stands alone
    for (const std::string& warning : setup.job->configuration.warnings) logger.warning("{}", warning);
    if (options.device == "auto") logger.info("device: auto is {} here", device);
  }

  setup.run.output = options.output;
  setup.run.overwrite = options.overwrite;
  setup.run.resume = options.resume;
  setup.run.steps = options.steps;
  setup.run.profile = options.profile;
  setup.run.backend = options.backend;
  setup.run.threads = options.threads;
  setup.run.show_progress = options.show_progress;
  setup.run.version = version();
  return setup;
}

}  // namespace ctrain
