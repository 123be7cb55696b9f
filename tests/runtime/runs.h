// Trains one configuration on several meshes, ranks as threads, each run in a folder of its own.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/file.h"
#include "runtime/run.h"
#include "temporary_folder.h"

namespace ctrain {

class Runs {
 public:
  explicit Runs(std::string config)
      : config_(std::move(config)),
        silent_(::open("/dev/null", O_WRONLY)),
        console_(silent_, false, 80),
        logger_(console_, LogLevel::error) {}
  ~Runs() { ::close(silent_); }

  int train(const std::string& name, const std::string& parallel, std::int64_t steps, const std::string& resume = "",
            const std::string& device = "cpu") {
    auto job = open_job(load_configuration_text(config_, "job.yaml", {"parallel=" + parallel}));
    job->options.device = device;
    Launch launch;
    launch.ranks = job->configuration.world_size();
    launch.policy.timeout = 60;
    RunOptions options;
    options.output = folder(name);
    options.steps = steps;
    options.resume = resume;
    options.threads = 1;
    return run_training(std::move(job), options, launch, logger_);
  }

  [[nodiscard]] std::filesystem::path folder(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] std::string file(const std::string& run, const std::string& inside) const {
    return read_file(folder(run) / inside);
  }
  [[nodiscard]] std::vector<nlohmann::json> metrics(const std::string& run) const {
    std::vector<nlohmann::json> lines;
    std::istringstream text(file(run, "metrics.jsonl"));
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

 private:
  std::string config_;
  TemporaryFolder folder_;
  int silent_;
  Console console_;
  Logger logger_;
};

// What the plans of all ranks say is sent in so many steps: {collective: {axis: bytes}}, as in summary.json.
inline nlohmann::json planned_bytes(const Job& job, std::int64_t steps, std::int64_t evaluation_steps) {
  nlohmann::json planned = nlohmann::json::object();
  const auto add = [&](const Program& program, std::int64_t times) {
    for (const auto& [key, bytes] : program.bytes_sent) {
      if (bytes == 0) continue;
      auto& total = planned[std::string(name_of(key.first))][program.mesh.name(key.second)];
      total = total.is_null() ? bytes * times : total.get<std::int64_t>() + bytes * times;
    }
  };
  for (int rank = 0; rank < job.configuration.world_size(); ++rank) {
    const Plan plan = make_plan(job.options, rank);
    add(plan.training.compiled.program, steps);
    add(plan.evaluation->compiled.program, evaluation_steps);
  }
  return planned;
}

}  // namespace ctrain
