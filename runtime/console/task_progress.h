// How far a task before the training is, as
//   tokenising corpus.jsonl  [=====>       ]  45 %  0:03 left
// on a terminal; elsewhere as a message without the bar now and then. The time is an argument, so that tests can drive
// it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "runtime/console/logger.h"

namespace ctrain {

class TaskProgress {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Draws on the logger's console; the logger, where there is one, must outlive this object. nullptr: shows nothing.
  TaskProgress(const Logger* logger, std::string task);
  TaskProgress(const TaskProgress&) = delete;
  TaskProgress& operator=(const TaskProgress&) = delete;
  ~TaskProgress();  // leaves the last line standing

  void update(double share_done, Time now);  // from 0 to 1

 private:
  const Logger* logger_;
  std::string task_;
  std::optional<Time> first_time_;
  Time last_time_;
};

}  // namespace ctrain
