// The message of the Error that an action throws, and its kind, for tests of what users read.
#pragma once

#include <string>

#include "memory/error.h"

namespace ctrain {

template <typename Action>
std::string running_message(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::running ? error.what() : std::string("a usage error: ") + error.what();
  }
  return "no error";
}

}  // namespace ctrain
