// The plan for scripts: what plan.txt says (runtime/plan_text.h), every tensor on its own.
#pragma once

#include <string>

#include "runtime/plan.h"

namespace ctrain {

// One object on many lines:
//   world_size, mesh {axis: ranks}, rank, coordinates {axis: position}, groups {axis: [ranks]}, threads, global_batch
//   (of one batch), gradient_accumulation, dtype, parameters (elements of the whole model)
//   pipeline       {size, chunks, schedule, partition, micro_batches (of a batch), bubble (were all ranks equally
//                  fast), parts: [{stage, chunk, first_block, last_block, flops}] in the model's order,
//                  stages: [{parameters, stored_micro_batches (at most), idle (share of the step)}]}
//   memory         {parameters, optimizer_state, arena, total}, bytes of this rank
//   parameter_list [{name, shape, layout, local_shape, bytes}]
//   training, and evaluation where there is test data:
//     flops        {logical: {forward, backward, total}, rank: the same}
//     bytes_sent   {collective: {axis: bytes}}, bytes_sent_total, calls {collective: {axis: number}}, calls_total
//     arena        {peak, lower_bound, steps, fullest_step, at_fullest: {kind: bytes}, most: {kind: bytes}}
//     tensors      [{name, kind, made_by, count (in a step), layout, local_shape, bytes}], those in the arena
[[nodiscard]] std::string plan_json(const Plan& plan);

}  // namespace ctrain
