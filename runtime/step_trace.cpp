#include "runtime/step_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "memory/error.h"

namespace ctrain {
namespace {

enum Track { steps_track, compute_track, communication_track };

double now_in_microseconds() {
  return std::chrono::duration<double, std::micro>(std::chrono::system_clock::now().time_since_epoch()).count();
}

nlohmann::ordered_json name_event(const char* what, int rank, int track, const std::string& name) {
  return {{"ph", "M"}, {"name", what}, {"pid", rank}, {"tid", track}, {"args", {{"name", name}}}};
}

}  // namespace

std::optional<StepRange> parse_step_range(const std::string& text) {
  StepRange range;
  const char *begin = text.data(), *end = begin + text.size();
  const auto [colon, first_failure] = std::from_chars(begin, end, range.first);
  if (first_failure != std::errc() || colon == end || *colon != ':') return std::nullopt;
  const auto [rest, last_failure] = std::from_chars(colon + 1, end, range.last);
  if (last_failure != std::errc() || rest != end || range.first < 1 || range.last < range.first) return std::nullopt;
  return range;
}

const char* StepTrace::name_of(Phase phase) {
  return phase == Phase::forward ? "forward" : phase == Phase::backward ? "backward" : "update";
}

StepTrace::StepTrace(const Program& program, Device& device, const StepRange& steps)
    : rank_(program.rank), device_(&device), range_(steps), origin_(device.make_timed_event()) {
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Segment& segment = program.segment_of(i);
    Part part{"copy",
              "",
              segment.phase,
              segment.micro_batch,
              false,
              0,
              0,
              device.make_timed_event(),
              device.make_timed_event()};
    if (const auto* local = std::get_if<LocalStep>(&program.steps[i])) {
      part.name = local->node.op;
      part.details = local->node.name;
      part.flops = local->flops;
    } else if (const auto* collective = std::get_if<CollectiveStep>(&program.steps[i])) {
      const BlockId block = collective->input >= 0 ? collective->input : collective->output;
      part.name = ctrain::name_of(collective->collective);
      part.details = "over " + program.mesh.name(collective->axis);
      part.bytes = program.blocks[static_cast<std::size_t>(block)].bytes();
      part.communicates = true;
    }
    parts_.push_back(std::move(part));
  }
  for (std::int64_t step = range_.first; step <= range_.last; ++step) {
    run_names_.push_back(fmt::format("step {}", step));
    runs_.push_back({step, 0, std::vector<std::pair<double, double>>(parts_.size())});
  }
}

void StepTrace::begin(std::int64_t steps_done, Stream& compute) {
  const auto at = static_cast<std::size_t>(steps_done + 1 - range_.first);
  require(at >= collected_ && at < runs_.size(), "step {} is not traced", steps_done + 1);
  collected_ = at;  // steps before it were left out: training went on from a checkpoint
  runs_[at].start = now_in_microseconds();
  compute.record(*origin_);
  device_->open_range(run_names_[at].c_str());
}

void StepTrace::enter(std::size_t i, Stream& stream) {
  if (i == 0 || parts_[i].phase != parts_[i - 1].phase) device_->open_range(name_of(parts_[i].phase));
  device_->open_range(parts_[i].name.c_str());
  stream.record(*parts_[i].begin);
}

void StepTrace::leave(std::size_t i, Stream& stream) {
  stream.record(*parts_[i].end);
  device_->close_range();
  if (i + 1 == parts_.size() || parts_[i].phase != parts_[i + 1].phase) device_->close_range();
}

void StepTrace::enqueued() { device_->close_range(); }

void StepTrace::collect() {
  Run& run = runs_[collected_++];
  for (std::size_t i = 0; i < parts_.size(); ++i)
    run.at[i] = {parts_[i].begin->seconds_since(*origin_), parts_[i].end->seconds_since(*origin_)};
}

std::vector<double> StepTrace::mean_seconds() const {
  std::vector<double> means(parts_.size());
  const auto runs = std::count_if(runs_.begin(), runs_.end(), [](const Run& run) { return run.start > 0; });
  if (runs == 0) return {};
  for (const Run& run : runs_)
    for (std::size_t i = 0; i < parts_.size(); ++i)
      means[i] += (run.at[i].second - run.at[i].first) / static_cast<double>(runs);
  return means;
}

std::string StepTrace::json() const {
  auto events = nlohmann::ordered_json::array();
  events.push_back(name_event("process_name", rank_, 0, fmt::format("rank {}", rank_)));
  events.push_back(name_event("thread_name", rank_, steps_track, "steps"));
  events.push_back(name_event("thread_name", rank_, compute_track, "compute"));
  events.push_back(name_event("thread_name", rank_, communication_track, "communication"));
  const auto add = [&](const Run& run, const std::string& name, const char* category, Track track, double begin,
                       double end) -> nlohmann::ordered_json& {
    events.push_back({{"ph", "X"},
                      {"name", name},
                      {"cat", category},
                      {"pid", rank_},
                      {"tid", static_cast<int>(track)},
                      {"ts", run.start + begin * 1e6},
                      {"dur", std::max(0.0, end - begin) * 1e6}});
    return events.back();
  };
  for (std::size_t r = 0; r < collected_; ++r) {
    const Run& run = runs_[r];
    if (run.start == 0 || parts_.empty()) continue;
    const auto end_of = [&](std::size_t first, std::size_t last) {  // streams overlap: the latest is not the last
      double end = 0;
      for (std::size_t i = first; i < last; ++i) end = std::max(end, run.at[i].second);
      return end;
    };
    add(run, run_names_[r], "step", steps_track, 0, end_of(0, parts_.size()));
    double phase_begin = 0;
    for (std::size_t first = 0, last = 0; first < parts_.size(); first = last) {
      while (last < parts_.size() && parts_[last].phase == parts_[first].phase) ++last;
      const double phase_end = std::max(phase_begin, end_of(first, last));
      add(run, name_of(parts_[first].phase), "phase", steps_track, phase_begin, phase_end);
      phase_begin = phase_end;
    }
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const Part& part = parts_[i];
      auto& event = add(run, part.name, part.communicates ? "communication" : "compute",
                        part.communicates ? communication_track : compute_track, run.at[i].first, run.at[i].second);
      event["args"] = {{"step", run.step}, {"phase", name_of(part.phase)}};
      if (part.phase != Phase::update) event["args"]["micro_batch"] = part.micro_batch;
      if (!part.details.empty()) event["args"]["what"] = part.details;
      if (part.flops > 0) event["args"]["flops"] = part.flops;
      if (part.bytes > 0) event["args"]["bytes"] = part.bytes;
    }
  }
  return nlohmann::ordered_json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump() + "\n";
}

}  // namespace ctrain
