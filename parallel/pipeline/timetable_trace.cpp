// The timetable in the Trace Event Format ("JSON Object Format", complete events "X" in microseconds), which Perfetto
// and chrome://tracing open.
#include <nlohmann/json.hpp>

#include "parallel/pipeline/timetable.h"

namespace ctrain {

std::string chrome_trace(const Timetable& timetable) {
  nlohmann::json events = nlohmann::json::array();
  const auto named = [&](const char* what, std::size_t rank, int thread, const std::string& text) {
    events.push_back({{"name", what}, {"ph", "M"}, {"pid", rank}, {"tid", thread}, {"args", {{"name", text}}}});
  };
  const auto add = [&](std::size_t rank, int thread, const char* thread_name, const std::vector<TimeSpan>& spans) {
    named("thread_name", rank, thread, thread_name);
    for (const TimeSpan& span : spans)
      events.push_back({{"name", fmt::format("{} {}", name(span.instruction.action), span.instruction.micro_batch)},
                        {"cat", name(span.instruction.action)},
                        {"ph", "X"},
                        {"pid", rank},
                        {"tid", thread},
                        {"ts", span.start * 1e6},
                        {"dur", (span.end - span.start) * 1e6},
                        {"args", {{"chunk", span.instruction.chunk}, {"micro_batch", span.instruction.micro_batch}}}});
  };
  for (std::size_t rank = 0; rank < timetable.computations.size(); ++rank) {
    named("process_name", rank, 0, fmt::format("pipeline rank {}", rank));
    add(rank, 0, "compute", timetable.computations[rank]);
    add(rank, 1, "send", timetable.sends[rank]);
    add(rank, 2, "receive", timetable.receives[rank]);
  }
  return nlohmann::json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump();
}

}  // namespace ctrain
