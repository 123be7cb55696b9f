#include "runtime/plan_json.h"

#include <nlohmann/json.hpp>

#include "runtime/pipeline_facts.h"
#include "runtime/plan_facts.h"

namespace ctrain {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Flops& flops) {
  return {{"forward", flops.forward}, {"backward", flops.backward}, {"total", flops.total()}};
}

Json json_of(const std::array<std::int64_t, arena_kind_count>& bytes) {
  Json json;
  for (std::size_t i = 0; i < arena_kind_count; ++i) json[std::string(name_of(static_cast<ArenaKind>(i)))] = bytes[i];
  return json;
}

// What every local part of a tensor has.
void add_part(Json& json, const Block& block, const Mesh& mesh) {
  json["layout"] = block.layout.text(block.operand.dims, mesh);
  json["local_shape"] = block.operand.shape;
  json["bytes"] = block.bytes();
}

Json parameters_json(const Program& program) {
  Json list = Json::array();
  for (const Block& block : program.blocks) {
    if (block.storage != Block::Storage::parameter || !block.is_held) continue;
    Json& json = list.emplace_back(Json{{"name", block.value->name}, {"shape", block.value->form.shape}});
    add_part(json, block, program.mesh);
  }
  return list;
}

Json tensors_json(const Program& program) {
  Json list = Json::array();
  for (const ArenaTensor& tensor : arena_tensors(program)) {
    Json& json = list.emplace_back(Json{{"name", tensor.name},
                                        {"kind", std::string(name_of(tensor.kind))},
                                        {"made_by", tensor.made_by},
                                        {"count", tensor.count}});
    add_part(json, *tensor.block, program.mesh);
  }
  return list;
}

Json arena_json(const CompiledProgram& compiled) {
  const ArenaUse use = arena_use(compiled);
  return {{"peak", compiled.memory.arena_bytes},    {"lower_bound", compiled.memory.lower_bound},
          {"steps", compiled.program.steps.size()}, {"fullest_step", use.fullest_step},
          {"at_fullest", json_of(use.at_fullest)},  {"most", json_of(use.most)}};
}

Json pipeline_json(const Plan& plan) {
  const PipelineFacts facts = pipeline_facts(plan);
  const Schedule& schedule = facts.timetable.schedule;
  Json json = {{"size", plan.pipeline.stages},
               {"chunks", plan.pipeline.chunks},
               {"schedule", plan.pipeline.schedule},
               {"partition", plan.pipeline.partition},
               {"micro_batches", plan.pipeline.micro_batches},
               {"bubble", facts.timetable.bubble()}};
  for (int position = 0; position < schedule.positions(); ++position) {
    const PartFacts& part = facts.parts[static_cast<std::size_t>(position)];
    const Place place = schedule.place(position);
    json["parts"].push_back({{"stage", place.rank},
                             {"chunk", place.chunk},
                             {"first_block", part.blocks.first},
                             {"last_block", part.blocks.last - 1},
                             {"flops", json_of(Flops{part.forward, part.backward_input + part.backward_weight})}});
  }
  for (int stage = 0; stage < schedule.stages; ++stage) {
    const StageFacts& of = facts.stages[static_cast<std::size_t>(stage)];
    json["stages"].push_back({{"parameters", of.parameters},
                              {"stored_micro_batches", of.stored},
                              {"idle", 1 - facts.timetable.busy(stage) / facts.timetable.length}});
  }
  return json;
}

Json step_json(const StepPlan& step) {
  const Program& program = step.compiled.program;
  Json json;
  json["flops"] = {{"logical", json_of(logical_flops(*step.graph.graph))}, {"rank", json_of(rank_flops(program))}};
  const TrafficTable traffic = rank_traffic(program);
  json["bytes_sent"] = json["calls"] = Json::object();
  for (const auto& [key, part] : traffic) {
    const std::string collective(name_of(key.first)), &axis = program.mesh.name(key.second);
    json["bytes_sent"][collective][axis] = part.bytes;
    json["calls"][collective][axis] = part.calls;
  }
  json["bytes_sent_total"] = total(traffic).bytes;
  json["calls_total"] = total(traffic).calls;
  json["arena"] = arena_json(step.compiled);
  json["tensors"] = tensors_json(program);
  return json;
}

}  // namespace

std::string plan_json(const Plan& plan) {
  const Program& program = plan.training.compiled.program;
  const MemoryPlan& memory = plan.training.compiled.memory;
  Json json;
  json["world_size"] = plan.mesh.size();
  json["rank"] = plan.rank;
  for (std::size_t i = 0; i < plan.mesh.axes().size(); ++i) {
    const auto axis = static_cast<Axis>(i);
    const std::string& name = plan.mesh.name(axis);
    json["mesh"][name] = plan.mesh.size(axis);
    json["coordinates"][name] = plan.mesh.coordinate(plan.rank, axis);
    json["groups"][name] = plan.mesh.line(plan.rank, axis);
  }
  json["threads"] = plan.threads;
  json["global_batch"] = plan.global_batch;
  json["gradient_accumulation"] = plan.accumulation;
  json["pipeline"] = pipeline_json(plan);
  json["dtype"] = std::string(name_of(plan.real));
  json["activation_dtype"] = std::string(name_of(plan.activation));
  json["parameters"] = plan.parameters();
  json["memory"] = {{"parameters", memory.parameter_bytes},
                    {"optimizer_state", memory.state_bytes},
                    {"arena", plan.arena_bytes()},
                    {"next_batch", plan.next_batch_bytes()},
                    {"total", plan.device_bytes()}};
  json["parameter_list"] = parameters_json(program);
  json["training"] = step_json(plan.training);
  if (plan.evaluation != nullptr) json["evaluation"] = step_json(*plan.evaluation);
  return json.dump(2) + "\n";
}

}  // namespace ctrain
