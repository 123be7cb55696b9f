// For tests: the schedules, with the numbers that their papers and documents give.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "parallel/pipeline/schedule.h"

namespace ctrain::testing {

struct ScheduleCase {
  std::string name;
  int chunks = 1, stages = 1, micro_batches = 1;
  [[nodiscard]] Schedule make() const { return make_schedule(name, stages, chunks, micro_batches); }
};

inline std::string text(const ScheduleCase& test) {
  return test.name + ", " + std::to_string(test.stages) + " stages, " + std::to_string(test.chunks) + " chunks, " +
         std::to_string(test.micro_batches) + " micro-batches";
}

// All schedules of these numbers.
inline std::vector<ScheduleCase> schedule_cases(int stages, int micro_batches) {
  std::vector<ScheduleCase> result;
  for (const std::string& name : Registry<ScheduleDefinition>::instance().names()) {
    const ScheduleDefinition& definition = Registry<ScheduleDefinition>::instance().get(name);
    if (definition.multiple && micro_batches % stages != 0) continue;
    for (const int chunks : definition.chunks ? std::vector<int>{*definition.chunks} : std::vector<int>{2, 3})
      result.push_back({name, chunks, stages, micro_batches});
  }
  return result;
}

// Pipeline 2 to 16, micro-batches 1 to 64.
inline std::vector<ScheduleCase> all_schedule_cases() {
  std::vector<ScheduleCase> result;
  for (int stages = 2; stages <= 16; ++stages)
    for (int micro_batches = 1; micro_batches <= 64; ++micro_batches)
      for (ScheduleCase& test : schedule_cases(stages, micro_batches)) result.push_back(std::move(test));
  return result;
}

}  // namespace ctrain::testing
