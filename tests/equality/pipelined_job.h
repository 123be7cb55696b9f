// Small models of many blocks and the pipelines that they are trained on. GPT-2's word table is shared by the first and
// the last stage.
#pragma once

#include <fmt/format.h>

#include <string>

#include "runtime/models/gpt2.h"
#include "runtime/models/vit.h"
#include "token_dataset.h"
#include "training_run.h"

namespace ctrain {

struct PipelineCase {
  std::string schedule = "1f1b";
  int stages = 1, chunks = 1, micro_batches = 1;
  MeshCase mesh = {};
  int accumulation = 1;
  [[nodiscard]] std::string text() const {
    return fmt::format("{}, {} stages x {} chunks, {} micro-batches, {}, {} batches a step", schedule, stages, chunks,
                       micro_batches, mesh.text(), accumulation);
  }
};

inline JobOptions vit_of(int depth, const MeshCase& mesh, DType real) {
  JobOptions job = vit_job(mesh, real);
  job.model = make_vit({.img_size = 6,
                        .patch_size = 3,
                        .in_channels = 1,
                        .num_classes = 10,
                        .hidden_size = 16,
                        .depth = depth,
                        .num_heads = 4,
                        .mlp_ratio = 1,
                        .dropout = 0.1,
                        .attention_dropout = 0.1,
                        .drop_path = 0.1});
  job.global_batch = 24;
  return job;
}

inline JobOptions gpt2_of(int depth, const MeshCase& mesh, DType real) {
  JobOptions job = gpt2_job(mesh, real);
  job.model = make_gpt2({.vocab_size = vocabulary,
                         .max_position_embeddings = sequence_length,
                         .hidden_size = 16,
                         .depth = depth,
                         .num_heads = 4,
                         .mlp_ratio = 1,
                         .dropout = 0.1,
                         .attention_dropout = 0.1,
                         .embed_dropout = 0.1});
  job.global_batch = 24;
  return job;
}

inline JobOptions vit_of_8(const MeshCase& mesh, DType real) { return vit_of(8, mesh, real); }
inline JobOptions gpt2_of_8(const MeshCase& mesh, DType real) { return gpt2_of(8, mesh, real); }
inline JobOptions vit_of_4(const MeshCase& mesh, DType real) { return vit_of(4, mesh, real); }
inline JobOptions gpt2_of_4(const MeshCase& mesh, DType real) { return gpt2_of(4, mesh, real); }
inline JobOptions vit_of_7(const MeshCase& mesh, DType real) { return vit_of(7, mesh, real); }
inline JobOptions gpt2_of_7(const MeshCase& mesh, DType real) { return gpt2_of(7, mesh, real); }

inline JobOptions pipelined(Job make, const PipelineCase& p, DType real) {
  JobOptions job = make(p.mesh, real);
  job.pipeline.schedule = p.schedule;
  job.pipeline.stages = p.stages;
  job.pipeline.chunks = p.chunks;
  job.pipeline.micro_batches = p.micro_batches;
  job.accumulation = p.accumulation;
  job.global_batch /= p.accumulation;
  return job;
}

}  // namespace ctrain
