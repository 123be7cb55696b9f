// What a plan's pipeline comes to: which blocks a stage has, what they cost, when each computation would run, how many
// micro-batches' activations are stored. Behind plan.txt, `ctrain plan`, its JSON and its trace.
#pragma once

#include <vector>

#include "parallel/pipeline/stage_cut.h"
#include "parallel/pipeline/timetable.h"
#include "runtime/plan.h"

namespace ctrain {

struct PartFacts {
  BlockRange blocks;
  double forward = 0, backward_input = 0, backward_weight = 0;  // FLOPs of a step, as in plan_facts.h
};

struct StageFacts {
  std::int64_t parameters = 0;  // elements; what several stages share counts in each
  int stored = 0;               // (chunk, micro-batch) pairs whose activations are kept at once, at most
};

struct PipelineFacts {
  std::vector<PartFacts> parts;  // of the model, by position
  std::vector<StageFacts> stages;
  // Of the training step, were every rank to do 10^12 operations a second and transfers to take no time.
  Timetable timetable;
};

[[nodiscard]] PipelineFacts pipeline_facts(const Plan& plan);

}  // namespace ctrain
