// Runs several programs as one job: their output goes where ours goes, signals are passed on, and the first that fails
// ends the others.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace ctrain {

struct SupervisedProgram {
  std::string name;  // "rank 3", "host node2", for messages
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  // beside ours
  // Signals for it are bytes on its standard input, whose end is the end of the job: for a program on another host.
  bool is_remote = false;
};

// Returns when all have ended: the exit code of the first that failed (128 + the signal where one ended it), else 75
// where one stopped early, else 0. With `is_remote` this job gets its signals as such a program does. A running Error
// where a program cannot be started.
int supervise(const std::vector<SupervisedProgram>& programs, bool is_remote);

}  // namespace ctrain
