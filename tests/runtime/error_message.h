// The message of the Error of one kind that an action throws, for tests of what users read.
#pragma once

#include <string>

#include "memory/error.h"

namespace ctrain {

template <typename Action>
std::string error_message(ErrorKind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind() == kind ? error.what() : std::string("an error of the other kind: ") + error.what();
  }
  return "no error";
}

template <typename Action>
std::string running_message(Action&& action) {
  return error_message(ErrorKind::running, action);
}

template <typename Action>
std::string usage_message(Action&& action) {
  return error_message(ErrorKind::usage, action);
}

}  // namespace ctrain
