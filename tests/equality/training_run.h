// "Equal to serial is the law": trains a small model on some mesh, ranks as threads, and brings home what can be
// compared: the first step's gradients as logical tensors, and the loss of every step. Dropout and augmentation are on,
// every rank gets different data, and the optimizer is plain SGD (Adam would hide a wrong scale of the gradients).
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "parallel/comm/communicator.h"
#include "runtime/plan.h"
#include "runtime/rank.h"
#include "tests/support/small_job.h"

namespace ctrain {

struct TrainingRun {
  std::vector<StepResult> steps;
  std::map<std::string, std::vector<double>> gradients;  // of the first step, whole tensors
  bool replicas_equal = true;                            // ranks that hold the same part hold the same bits
};

using test::MeshCase;

// The meshes of the table, one rank apart; a handful of them for runs under mpirun.
const std::vector<MeshCase>& all_meshes();

JobOptions vit_job(const MeshCase& mesh, DType real);  // 144 wide, 24 heads, global batch 72
JobOptions mlp_job(const MeshCase& mesh, DType real);
JobOptions gpt2_job(const MeshCase& mesh, DType real);  // a vocabulary and tokens that no mesh divides
using Job = JobOptions (*)(const MeshCase&, DType);

// What one rank does; collects into `run`, which the ranks of a process share.
class RunCollector {
 public:
  void train(const JobOptions& job, Communicator& world, int steps, const DevicePlace& place = {});
  [[nodiscard]] const TrainingRun& result() const { return run_; }

 private:
  TrainingRun run_;
};

using WrapWorld = std::function<std::unique_ptr<Communicator>(Communicator& world)>;

// All ranks as threads. `wrap`, where given, puts another communicator around every rank's world.
TrainingRun train_locally(const JobOptions& job, int steps, const WrapWorld& wrap = nullptr);

// max over tensors of ‖a - b‖ / max(‖b‖, 1e-3 ‖all b‖ / sqrt(tensors))
double gradient_error(const TrainingRun& a, const TrainingRun& b);
// max over steps of |a - b| / |b|
double loss_error(const TrainingRun& a, const TrainingRun& b);
// The same of the first step's norm of all gradients and of its counts.
double metrics_error(const TrainingRun& a, const TrainingRun& b);

}  // namespace ctrain
